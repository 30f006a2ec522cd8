/** What tables and queries work on: the database itself, or one transaction over it. */

import type { Connection } from './connection.js';
import { ManaError } from './errors.js';
import { type TableInfo, tableInfo } from './fields.js';
import type { Instance } from './instance.js';
import type { LiveQueries } from './live.js';
import type { Outcome } from './outcome.js';
import type { RawCounted, RawExplanation, RawFound, RawQuery, RawRows, RawWant, RawWriteKind } from './raw.js';
import { runTransaction } from './transaction.js';
import type { TransactionMode } from './types.js';

/** Reads and writes, in finished form but for dates. */
export interface Access {
  info(table: string): TableInfo;
  read(query: RawQuery): Promise<object[]>;
  find(query: RawQuery, want: RawWant): Promise<RawFound>;
  explain(query: RawQuery): Promise<RawExplanation>;
  count(query: RawQuery): Promise<number>;
  getMany(table: string, keys: unknown[]): Promise<RawRows>;
  /** `bulk`: a row that is refused is named by its position, even if it is the only one. */
  write(kind: RawWriteKind, table: string, items: unknown[], bulk?: boolean): Promise<Outcome<RawCounted>>;
  /**
   * Runs `body` in one transaction that may write to `table`; once more, with `waits` false, where it fails because the vault
   * is locked and that is unlocked in time.
   */
  atomically<V>(table: string, body: (access: Access, waits: boolean) => Promise<V>): Promise<Outcome<V>>;
  /** The live queries; throws inside a transaction, whose view of the data ends with it. */
  live(): LiveQueries;
}

/** The database, each call in a transaction of its own. */
export class EngineAccess implements Access {
  readonly #connection: Connection;
  readonly #live: LiveQueries;
  readonly #actor: object | null;

  constructor(connection: Connection, live: LiveQueries, actor: object | null) {
    this.#connection = connection;
    this.#live = live;
    this.#actor = actor;
  }

  info(table: string): TableInfo {
    return tableInfo(this.#connection.options, table);
  }

  read(query: RawQuery): Promise<object[]> {
    return this.#connection.run((raw) => raw.read(query));
  }

  find(query: RawQuery, want: RawWant): Promise<RawFound> {
    return this.#connection.run((raw) => raw.find(query, want));
  }

  explain(query: RawQuery): Promise<RawExplanation> {
    return this.#connection.run(async (raw) => raw.explain(query));
  }

  count(query: RawQuery): Promise<number> {
    return this.#connection.run((raw) => raw.count(query));
  }

  getMany(table: string, keys: unknown[]): Promise<RawRows> {
    return this.#connection.run((raw) => raw.getMany(table, keys));
  }

  write(kind: RawWriteKind, table: string, items: unknown[], bulk = false): Promise<Outcome<RawCounted>> {
    return this.#connection.with(async (instance) => {
      const written = await instance.run((raw) => raw.write(kind, table, items, this.#actor, bulk));
      return { value: written, whenSynced: syncWaiter(instance, written.ticket) };
    });
  }

  async atomically<V>(table: string, body: (access: Access, waits: boolean) => Promise<V>): Promise<Outcome<V>> {
    const attempt = (waits: boolean) => this.transaction('rw', [table], (inside) => body(inside, waits));
    try {
      return await attempt(true);
    } catch (error) {
      const isLocked = error instanceof ManaError && error.code === 'vault_locked';
      if (!isLocked || !(await this.#connection.run((raw) => raw.unlockedInTime()))) throw error;
      return attempt(false);
    }
  }

  /** Runs `body` in one transaction over `tables`. */
  transaction<V>(
    mode: TransactionMode,
    tables: string[],
    body: (access: Access, abort: () => void) => Promise<V> | V,
  ): Promise<Outcome<V>> {
    const info = (name: string) => this.info(name);
    return this.#connection.with((instance) =>
      runTransaction({ instance, mode, tables, actor: this.#actor, info }, body),
    );
  }

  live(): LiveQueries {
    return this.#live;
  }
}

/** How to wait for the server; a ticket means nothing to any other instance. */
export function syncWaiter(instance: Instance, ticket: number | null): () => Promise<void> {
  return () => (ticket === null ? Promise.resolve() : instance.run((raw) => raw.whenSynced(ticket)));
}
