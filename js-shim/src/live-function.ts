/** `liveQuery`: a function of the app's that reads, and runs again when a table changed that it had read. */

import type { EngineAccess } from './access.js';
import { functionArgument, tableName } from './arguments.js';
import { equal } from './equality.js';
import { invalidArgument, ManaError } from './errors.js';
import { guarded } from './events.js';
import type { LiveQueries } from './live.js';
import { LINGER_MS, MOST_DEATHS } from './live-source.js';
import { plain } from './proxies.js';
import { readingAccess } from './reading-access.js';
import { frozen } from './rows.js';
import { AccessTable } from './table.js';
import type { LiveHandle, LiveStatus, Reader, Writer } from './types.js';

type Run<V> = (q: Reader) => Promise<V> | V;

interface Result<V> {
  readonly value: V | undefined;
  readonly status: LiveStatus;
  readonly error: ManaError | undefined;
}

const loading = { value: undefined, status: 'loading', error: undefined } as const;
const accesses = new WeakMap<object, EngineAccess>();

/** Notes where the queries of an engine, or of one of its actors, are answered. */
export function readsFrom(engine: Writer, access: EngineAccess): void {
  accesses.set(engine, access);
}

/**
 * Follows what `run` answers. What it reads through `q`, also after it awaited something, is tracked: a commit of any tab to one of
 * these tables, a change of user, space or key makes it run again, once at a time. Its result is frozen; one that equals the
 * last is not told. It runs while it is read, and a moment longer.
 */
export function liveQuery<V>(engine: Writer, run: (q: Reader) => Promise<V> | V): LiveHandle<Readonly<V>> {
  const access = accesses.get(engine);
  if (!access) throw invalidArgument('liveQuery takes an engine and a function.');
  return new LiveFunction<V>(access, functionArgument(run, 'What liveQuery runs'));
}

/** The handle of `liveQuery`, which is also what runs. */
class LiveFunction<V> implements LiveHandle<Readonly<V>> {
  readonly key: string;
  readonly #access: EngineAccess;
  readonly #queries: LiveQueries;
  readonly #run: Run<V>;
  readonly #readers = new Set<() => void>();
  #result: Result<V> = loading;
  #next: Result<V> | undefined;
  /** What the present or last run has read. */
  #tables = new Set<string>();
  #started = false;
  #running = false;
  /** Something that the present run has read changed meanwhile. */
  #overtaken = false;
  /** The last result was not shown, as it had been overtaken: the next one is, or it might never come. */
  #skipped = false;
  /** Grows where what runs now is of no interest any more. */
  #generation = 0;
  #deaths = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(access: EngineAccess, run: Run<V>) {
    this.#access = access;
    this.#queries = access.live();
    this.#run = run;
    this.key = this.#queries.functionKey();
  }

  get current(): Readonly<V> | undefined {
    return this.#look().value;
  }

  get status(): LiveStatus {
    return this.#look().status;
  }

  get error(): ManaError | undefined {
    return this.#look().error;
  }

  subscribe(run: (value: Readonly<V> | undefined) => void): () => void {
    functionArgument(run, 'A subscriber');
    let told = this.#result;
    run(told.value);
    return this.follow(() => {
      if (this.#result === told) return;
      told = this.#result;
      run(told.value);
    });
  }

  /** Calls `reader` after each change of the result; not at once. */
  follow(reader: () => void): () => void {
    const own = () => reader();
    this.#readers.add(own);
    clearTimeout(this.#linger);
    this.#start();
    return () => {
      if (this.#readers.delete(own)) this.#lingerIfUnread();
    };
  }

  /** A commit changed rows of these tables. */
  changed(tables: readonly string[]): void {
    if (tables.some((table) => this.#tables.has(table))) this.#again();
  }

  restart(forget: boolean): void {
    if (!forget) this.#again();
    else if (this.#deaths < MOST_DEATHS) {
      this.#set(loading);
      this.#begin();
    } else this.#set({ ...this.#newest(), value: undefined });
  }

  failed(error: ManaError, forget = false): void {
    this.#set({ value: forget ? undefined : this.#newest().value, status: 'error', error });
  }

  close(): void {
    clearTimeout(this.#linger);
    this.#started = false;
    this.#generation += 1;
  }

  apply(): boolean {
    const changed = this.#next !== undefined;
    this.#result = this.#newest();
    this.#next = undefined;
    return changed;
  }

  notify(): void {
    for (const reader of [...this.#readers]) if (this.#readers.has(reader)) guarded(reader, undefined);
  }

  #look(): Result<V> {
    if (this.#readers.size === 0) {
      this.#start();
      this.#lingerIfUnread();
    }
    return this.#result;
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#deaths = 0;
    this.#queries.follow(this);
    this.#begin();
  }

  #stop(): void {
    this.close();
    this.#queries.forget(this);
    this.#next = undefined;
    this.#result = loading;
  }

  /** Runs anew, whatever still runs. */
  #begin(): void {
    this.#generation += 1;
    this.#skipped = false;
    void this.#execute();
  }

  #again(): void {
    if (this.#running) this.#overtaken = true;
    else if (this.#deaths < MOST_DEATHS) void this.#execute();
  }

  async #execute(): Promise<void> {
    const generation = this.#generation;
    this.#running = true;
    this.#overtaken = false;
    const next = await this.#answer();
    if (generation !== this.#generation) return;
    this.#running = false;
    const isSkipped = this.#overtaken && !this.#skipped;
    this.#skipped = isSkipped;
    if (!isSkipped) this.#show(next);
    if (this.#overtaken) this.#again();
  }

  async #answer(): Promise<Result<V>> {
    const tables = new Set<string>();
    this.#tables = tables;
    const access = readingAccess(this.#access, (table) => tables.add(table));
    const reader: Reader = { table: (name) => new AccessTable(access, tableName(name)) };
    try {
      const value = frozen(plain(await this.#run(reader))) as V;
      return { value: kept(this.#newest().value, value) as V, status: 'ready', error: undefined };
    } catch (thrown) {
      return { value: this.#newest().value, status: 'error', error: failure(thrown) };
    }
  }

  #show(next: Result<V>): void {
    const before = this.#newest();
    if (next.status === 'ready') this.#deaths = 0;
    else if (next.error?.code === 'engine_panicked') {
      this.#deaths += 1;
      // The instance that takes over brings a restart.
      if (this.#deaths < MOST_DEATHS) return;
    }
    if (next.status !== 'ready' || before.status !== 'ready' || before.value !== next.value) this.#set(next);
  }

  #newest(): Result<V> {
    return this.#next ?? this.#result;
  }

  #set(next: Result<V>): void {
    this.#next = next;
    this.#queries.schedule(this);
  }

  #lingerIfUnread(): void {
    clearTimeout(this.#linger);
    if (this.#readers.size === 0 && this.#started) this.#linger = setTimeout(() => this.#stop(), LINGER_MS);
  }
}

/** The former value, or in a list the former items, where they are equal. */
function kept(before: unknown, after: unknown): unknown {
  if (equal(before, after)) return before;
  if (!Array.isArray(before) || !Array.isArray(after)) return after;
  const known = new Map(before.map((item, at) => [nameOf(item, at), item]));
  const former = (item: unknown, at: number) => known.get(nameOf(item, at));
  return Object.freeze(after.map((item, at) => (equal(former(item, at), item) ? former(item, at) : item)));
}

function nameOf(item: unknown, at: number): unknown {
  return (item as { readonly id?: unknown } | null | undefined)?.id ?? at;
}

function failure(thrown: unknown): ManaError {
  if (thrown instanceof ManaError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ManaError('filter_failed', `The function of a live query threw: ${message}`, { cause: thrown });
}
