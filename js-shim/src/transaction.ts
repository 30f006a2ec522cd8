/** Transactions: saved when their body returns, undone when it throws. */

import { type Access, syncWaiter } from './access.js';
import { invalidArgument, ManaError, transactionInactive } from './errors.js';
import type { TableInfo } from './fields.js';
import type { Instance } from './instance.js';
import type { Outcome } from './outcome.js';
import type { RawCounted, RawExplanation, RawFound, RawQuery, RawRows, RawTx, RawWant, RawWriteKind } from './raw.js';
import type { TransactionMode } from './types.js';

interface Scope {
  readonly instance: Instance;
  readonly mode: TransactionMode;
  readonly tables: string[];
  readonly actor: object | null;
  readonly info: (table: string) => TableInfo;
}

type Body<V> = (access: Access, abort: () => void) => Promise<V> | V;

/**
 * Begins a transaction and runs `body` in the same turn: an IndexedDB transaction without requests ends with the turn
 * it was created in.
 */
export function runTransaction<V>(scope: Scope, body: Body<V>): Promise<Outcome<V>> {
  const raw = scope.instance.call((engine) => engine.begin(scope.mode, scope.tables, scope.actor));
  return new TransactionAccess(scope, raw).run(body);
}

/** Runs `body` in a transaction that was begun elsewhere. */
export function runIn<V>(scope: Scope, raw: RawTx, body: Body<V>): Promise<Outcome<V>> {
  return new TransactionAccess(scope, raw).run(body);
}

class TransactionAccess implements Access {
  readonly #scope: Scope;
  readonly #raw: RawTx;
  readonly #calls = new Set<Promise<unknown>>();
  #outcome: Promise<Outcome<unknown>> | undefined;
  readonly #abandoned: Promise<void>;
  #over = false;
  #aborted = false;

  constructor(scope: Scope, raw: RawTx) {
    this.#scope = scope;
    this.#raw = raw;
    this.#abandoned = new Promise((resolve) => raw.onAbandoned(resolve));
  }

  run<V>(body: Body<V>): Promise<Outcome<V>> {
    const outcome = this.#run(body);
    this.#outcome = outcome;
    return outcome;
  }

  info(table: string): TableInfo {
    return this.#scope.info(table);
  }

  read(query: RawQuery): Promise<object[]> {
    return this.#call(`${query.table}.toArray`, (raw) => raw.read(query));
  }

  find(query: RawQuery, want: RawWant): Promise<RawFound> {
    return this.#call(`${query.table}.toArray`, (raw) => raw.find(query, want));
  }

  explain(query: RawQuery): Promise<RawExplanation> {
    return this.#call(`${query.table}.explain`, async (raw) => raw.explain(query));
  }

  count(query: RawQuery): Promise<number> {
    return this.#call(`${query.table}.count`, (raw) => raw.count(query));
  }

  getMany(table: string, keys: unknown[]): Promise<RawRows> {
    return this.#call(`${table}.get`, (raw) => raw.getMany(table, keys));
  }

  async write(kind: RawWriteKind, table: string, items: unknown[], bulk = false): Promise<Outcome<RawCounted>> {
    const call = `${table}.${callName(kind, bulk)}`;
    const value = await this.#call(call, (raw) => raw.write(kind, table, items, bulk));
    return { value, whenSynced: () => this.#whenSynced(call) };
  }

  async atomically<V>(table: string, body: (access: Access, waits: boolean) => Promise<V>): Promise<Outcome<V>> {
    const value = await this.#tracked(body(this, false));
    return { value, whenSynced: () => this.#whenSynced(table) };
  }

  live(): never {
    throw invalidArgument('A live query outlives its transaction: make it from the engine.');
  }

  async #run<V>(body: Body<V>): Promise<Outcome<V>> {
    let value: V;
    try {
      value = await body(this, () => this.#abort());
      await this.#settled();
      if (this.#aborted) throw aborted();
    } catch (error) {
      this.#rollBack();
      throw this.#aborted ? aborted(error) : error;
    }
    return this.#commit(value);
  }

  async #commit<V>(value: V): Promise<Outcome<V>> {
    this.#over = true;
    const { instance } = this.#scope;
    const { ticket } = await instance.track(() => this.#raw.commit());
    return { value, whenSynced: syncWaiter(instance, ticket) };
  }

  #call<T>(name: string, work: (raw: RawTx) => Promise<T>): Promise<T> {
    if (this.#aborted) return Promise.reject(aborted());
    if (this.#over) return Promise.reject(transactionInactive(name));
    const named = (error: unknown): never => {
      throw error instanceof ManaError && error.code === 'transaction_inactive'
        ? transactionInactive(name, error)
        : error;
    };
    return this.#tracked(this.#scope.instance.track(() => work(this.#raw))).catch(named);
  }

  #tracked<T>(call: Promise<T>): Promise<T> {
    const settled = () => this.#calls.delete(call);
    this.#calls.add(call);
    call.then(settled, settled);
    return call;
  }

  /** Waits for calls that the body started and did not wait for; the failure of one of them undoes the transaction. */
  async #settled(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  #abort(): void {
    if (this.#over) return;
    this.#aborted = true;
    this.#rollBack();
  }

  #rollBack(): void {
    if (this.#over) return;
    this.#over = true;
    try {
      this.#scope.instance.call(() => this.#raw.abort());
    } catch {
      // The instance died, and has aborted its transactions already.
    }
  }

  /** Its own code waits in vain: nothing is saved before it returns. The transaction is then aborted, and this rejects. */
  async #whenSynced(call: string): Promise<void> {
    const outcome = await Promise.race([this.#outcome, this.#abandoned]);
    if (!outcome) throw transactionInactive(`${call}().synced`);
    await outcome.whenSynced();
  }
}

function aborted(cause?: unknown): ManaError {
  if (cause instanceof ManaError && cause.code === 'transaction_aborted') return cause;
  return new ManaError('transaction_aborted', 'The transaction was aborted; nothing was saved.', { cause });
}

/** The public name of a write. */
export function callName(kind: RawWriteKind, bulk: boolean): string {
  const name = kind.replace(/At$|Fields$|ToTombstones$/, '');
  return bulk ? `bulk${name.charAt(0).toUpperCase()}${name.slice(1)}` : name;
}
