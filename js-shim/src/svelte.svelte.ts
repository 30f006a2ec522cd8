/**
 * Svelte 5: live queries and the sync status with getters that are reactive.
 *
 * No runes are needed: the getters ask for the query each time they are read, so whoever reads them depends on whatever the
 * query depends on, and outside of effects they simply give the value now.
 */

import { untrack } from 'svelte';
import { createSubscriber } from 'svelte/reactivity';
import { toStore } from 'svelte/store';
import { functionArgument } from './arguments.js';
import { equal, sameItems } from './equality.js';
import type { ManaError } from './errors.js';
import type { Engine, LiveHandle, LiveStatus, Readable, Store, SyncStatus } from './types.js';
import type { VaultState } from './vault-types.js';

/** A function that gives the query to follow, or nothing while there is none. */
export type QueryInput<T> = () => Readable<T> | null | undefined | false;

/** A function that gives what `liveQuery` gave, made once outside of it, or nothing while there is none. */
export type HandleInput<V> = () => LiveHandle<V> | null | undefined | false;

/** What `live` gives. */
export interface ReactiveHandle<V> extends LiveHandle<V> {
  /**
   * Whether `current` stands in for a result that has not come yet: it is what the query before this one found, or `initial`. `status` is
   * `loading` meanwhile.
   */
  readonly isStale: boolean;
}

/** How `live` begins. */
export interface LiveOptions<V> {
  /**
   * What is shown until the first query has answered, or another one takes its place: what a server rendered, for one. Read once; in a component
   * Svelte wants a function where it comes from a property.
   */
  readonly initial?: V | (() => V);
}

type Rows<T> = readonly Readonly<T>[];

/**
 * Follows the query that `input` gives; when state that `input` reads changes, the query that it then gives. Until that one has
 * answered, the rows of the former one are shown (`isStale`), unless one of them names records by their primary keys or asks across
 * spaces, they differ in table, engine or `includeDeleted`, or the former one has lost what it showed: by another user or space, or
 * because the vault was locked.
 */
export function live<T>(input: QueryInput<T>, options?: LiveOptions<Rows<T>>): ReactiveHandle<Rows<T>>;
export function live<V>(input: HandleInput<V>, options?: LiveOptions<V>): ReactiveHandle<V>;
export function live(
  input: QueryInput<object> | HandleInput<unknown>,
  options?: LiveOptions<unknown>,
): ReactiveHandle<unknown> {
  functionArgument(input, 'What live takes');
  const initial = options?.initial;
  return new InputHandle<unknown>(
    () => {
      const found = input() || undefined;
      return found && 'live' in found ? found.live() : found;
    },
    typeof initial === 'function' ? initial() : initial,
  );
}

/** The engine's sync status. */
export function syncStatus(engine: Pick<Engine, 'sync'>): Store<SyncStatus> {
  return reactive(engine.sync.status);
}

/** Whether the user's key is here. */
export function vaultState(engine: Pick<Engine, 'vault'>): Store<VaultState> {
  return reactive(engine.vault.state);
}

/** A store whose value is reactive where it is read. */
function reactive<V>(store: Store<V>): Store<V> {
  const track = createSubscriber((update) => {
    let first = true;
    const off = store.subscribe(() => {
      if (!first) update();
    });
    first = false;
    return off;
  });
  return {
    get current() {
      track();
      return store.current;
    },
    subscribe: (run) => store.subscribe(run),
  };
}

type Identified = { readonly id?: unknown } | null | undefined;

/** How the keys of queries are written (query-key.ts): where is looked, and what the key begins with. */
type Place = [index: string | null, condition: string, keys: unknown, lower: unknown, upper: unknown, fields: string[]];
type KeyStart = [table: string, keyPaths: string[], acrossSpaces: boolean, includeDeleted: boolean, places: Place[]];

/** A handle, and the way to follow it. */
interface Followable<V> extends LiveHandle<V> {
  follow(reader: () => void): () => void;
}

/** A query that is, or was, followed. All queries of one key share a subscription, whatever their filters are. */
interface Followed<V> {
  /** The newest handle of the key. */
  handle: Followable<V>;
  /** Has whoever reads along told when the result changes. */
  readonly track: () => void;
}

class InputHandle<V> implements ReactiveHandle<V> {
  readonly #input: () => LiveHandle<V> | undefined;
  readonly #tellers = new Set<() => void>();
  #initial: V | undefined;
  #now: Followed<V> | undefined;
  /** What is shown while `#now` has no answer, as long as it has the status that it had. */
  #before: (Followed<V> & { readonly status: LiveStatus }) | undefined;
  /** What the query gave last, and what was shown of it. */
  #given: V | undefined;
  #last: V | undefined;
  /** Whether the present query has not been compared with what was shown before it. */
  #isNew = false;
  /** By rows as the query has them, equal ones that were shown before. */
  readonly #shown = new WeakMap<object, object>();

  constructor(input: () => LiveHandle<V> | undefined, initial: V | undefined) {
    this.#input = input;
    this.#initial = initial;
  }

  get key(): string {
    return this.#look()?.key ?? '';
  }

  get current(): V | undefined {
    const handle = this.#look();
    const value = this.#initial === undefined ? (this.#before?.handle ?? handle)?.current : this.#initial;
    if (value !== this.#given) {
      this.#given = value;
      this.#last = this.#asShown(value, handle?.status !== 'loading');
    }
    return this.#last;
  }

  get status(): LiveStatus {
    return this.#look()?.status ?? 'loading';
  }

  get error(): ManaError | undefined {
    return this.#look()?.error;
  }

  get isStale(): boolean {
    this.#look();
    return (this.#before ?? this.#initial) !== undefined;
  }

  subscribe(run: (value: V | undefined) => void): () => void {
    functionArgument(run, 'A subscriber');
    let told: { readonly value: V | undefined } | undefined;
    const tell = () => {
      const value = untrack(() => this.current);
      if (told && told.value === value) return;
      told = { value };
      run(value);
    };
    this.#tellers.add(tell);
    tell();
    // Results are told with the getters' readers; the effect is for the state that `input` reads. It is made outside of the effect that may
    // run now: inside, it would be cut off when that one runs again.
    let off: (() => void) | undefined;
    queueMicrotask(() => {
      if (this.#tellers.has(tell)) off = toStore(() => this.current).subscribe(tell);
    });
    return () => {
      this.#tellers.delete(tell);
      off?.();
    };
  }

  /** Rows that another query found before, and that are equal, stay the objects that they were: nobody renders them again. */
  #asShown(value: V | undefined, isAnswer: boolean): V | undefined {
    const last = this.#last;
    if (!Array.isArray(value) || !Array.isArray(last)) return value;
    if (this.#isNew && isAnswer) {
      const known = new Map(last.map((row: Identified) => [row?.id, row]));
      for (const row of value as Identified[]) {
        const former = known.get(row?.id);
        if (typeof row === 'object' && row && former && equal(former, row)) this.#shown.set(row, former);
      }
      this.#isNew = false;
    }
    const rows = value.map((row) => this.#shown.get(row) ?? row);
    // A filter written in `input` is a new function each time; what it lets through is mostly the same.
    return sameItems(rows, last) ? this.#last : (Object.freeze(rows) as V);
  }

  /** The handle as it is now; whoever reads along is told when what is shown changes. */
  #look(): LiveHandle<V> | undefined {
    const handle = this.#input() as Followable<V> | undefined;
    if (handle?.key !== this.#now?.handle.key) this.#turnTo(handle);
    if (!handle || !this.#now) return undefined;
    this.#now.handle = handle;
    this.#now.track();
    if (handle.status !== 'loading') this.#initial = this.#before = undefined;
    this.#before?.track();
    if (this.#before?.handle.status !== this.#before?.status) this.#before = undefined;
    return handle;
  }

  #turnTo(next: Followable<V> | undefined): void {
    const last = this.#now;
    const status = last?.handle.status ?? 'loading';
    // One that never answered leaves what is shown in its place.
    if (last && status !== 'loading') this.#before = { ...last, status };
    if (last) this.#initial = undefined;
    this.#isNew = true;
    if (status === 'error' || !next || !this.#before || !isAlike(next, this.#before.handle)) this.#before = undefined;
    this.#now = next && { handle: next, track: createSubscriber((update) => next.follow(() => this.#tell(update))) };
  }

  /** At once and to all, so that no effect finds a getter and the store apart. */
  #tell(update: () => void): void {
    update();
    for (const tell of this.#tellers) tell();
  }
}

/** Whether the rows of one query may stand in for those of the other. */
function isAlike(a: LiveHandle<unknown>, b: LiveHandle<unknown>): boolean {
  const list = listOf(a);
  return list !== undefined && list === listOf(b);
}

/** What a query lists rows of; nothing where it names single records or looks at all spaces, and for functions. */
function listOf({ key }: LiveHandle<unknown>): string | undefined {
  const at = key.indexOf('[');
  if (at < 0) return undefined;
  const [table, keyPaths, acrossSpaces, includeDeleted, places] = JSON.parse(key.slice(at)) as KeyStart;
  if (acrossSpaces || places.some((place) => isOfRecords(keyPaths, place))) return undefined;
  return JSON.stringify([key.slice(0, at), table, includeDeleted]);
}

/** Whether a place to look names its rows by their primary keys. */
function isOfRecords(paths: readonly string[], [index, condition, , , , fields]: Place): boolean {
  const name = paths.length > 1 ? `[${paths.join('+')}]` : paths[0];
  if (index === ':id' || index === name) return /^equals|^anyOf/.test(condition);
  return paths.length > 0 && paths.every((path) => fields.includes(path));
}
