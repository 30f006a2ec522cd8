/** One raw subscription, its newest result and its readers. */

import { engineClosed, type ManaError, toManaError } from './errors.js';
import { guarded } from './events.js';
import type { TableInfo } from './fields.js';
import type { LiveQueries } from './live.js';
import type { RawApart, RawFound, RawQuery } from './raw.js';
import { LiveRows } from './rows.js';
import type { LiveStatus } from './types.js';

/** How long (milliseconds) a subscription outlives its last reader: moving between pages does not read anew. */
export const LINGER_MS = 1_000;
/** After so many deaths of the engine before its first answer, a query is taken for their cause. */
export const MOST_DEATHS = 3;

/** What a subscription has to show. */
export interface Result {
  readonly rows: readonly object[] | undefined;
  /** What tells rows of several branches apart, where that was asked for. */
  readonly apart?: RawApart;
  readonly status: LiveStatus;
  readonly error: ManaError | undefined;
}

const loading: Result = { rows: undefined, status: 'loading', error: undefined };

/** A subscription shared by all handles of equal queries; it exists while it is read, and a moment longer. */
export class LiveSource {
  readonly #owner: LiveQueries;
  readonly #key: string;
  readonly #query: RawQuery;
  readonly #rows: LiveRows;
  readonly #readers = new Set<() => void>();
  #result = loading;
  #next: Result | undefined;
  #running = false;
  #subscription: number | undefined;
  /** Grows with each start and stop: answers to earlier subscriptions are not listened to. */
  #run = 0;
  #answered = false;
  #deaths = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: LiveQueries, key: string, table: TableInfo, query: RawQuery) {
    this.#owner = owner;
    this.#key = key;
    this.#query = query;
    this.#rows = new LiveRows(table);
  }

  get result(): Result {
    return this.#result;
  }

  /** Calls `reader` after each change of the result until the given function is called. */
  retain(reader: () => void): () => void {
    const own = () => reader();
    this.#readers.add(own);
    clearTimeout(this.#linger);
    this.#start();
    return () => {
      if (this.#readers.delete(own)) this.#lingerIfUnread();
    };
  }

  /** Somebody looked without following: the subscription starts, and lasts for a moment. */
  touch(): void {
    if (this.#readers.size > 0) return;
    this.#start();
    this.#lingerIfUnread();
  }

  restart(forget: boolean): void {
    if (!this.#running) return;
    this.#unsubscribe();
    if (forget) this.#set(loading);
    this.#subscribe();
  }

  died(error: ManaError): void {
    this.#subscription = undefined;
    this.#run += 1;
    if (!this.#running || this.#answered) return;
    this.#deaths += 1;
    if (this.#deaths < MOST_DEATHS) return;
    this.#running = false;
    this.failed(error);
  }

  failed(error: ManaError, forget = false): void {
    const { rows } = forget ? loading : (this.#next ?? this.#result);
    this.#set({ rows, status: 'error', error });
  }

  close(): void {
    clearTimeout(this.#linger);
    this.#running = false;
    this.#subscription = undefined;
    this.#run += 1;
  }

  /** Makes the newest result visible; false when it says nothing new. */
  apply(): boolean {
    const before = this.#result;
    const next = this.#next ?? before;
    this.#next = undefined;
    this.#result = next;
    return next.rows !== before.rows || next.status !== before.status || next.error !== before.error;
  }

  notify(): void {
    for (const reader of [...this.#readers]) if (this.#readers.has(reader)) guarded(reader, undefined);
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#deaths = 0;
    this.#subscribe();
  }

  #stop(): void {
    this.#running = false;
    this.#unsubscribe();
    this.#owner.drop(this.#key, this);
  }

  #subscribe(): void {
    this.#run += 1;
    this.#answered = false;
    const { connection } = this.#owner;
    if (!connection || connection.closed) {
      this.#running = false;
      this.failed(engineClosed());
      return;
    }
    try {
      // While an instance is being replaced there is none; the new one brings a restart.
      this.#subscription = connection.instance?.call((raw) => raw.subscribe(this.#query, this.#callback(this.#run)));
    } catch (thrown) {
      const error = toManaError(thrown);
      if (error.code !== 'engine_panicked') this.failed(error);
    }
  }

  #callback(run: number): (found: RawFound | undefined, error: unknown) => void {
    return (found, error) => {
      if (run !== this.#run) return;
      this.#answered = true;
      this.#deaths = 0;
      try {
        const rows = found?.rows && this.#rows.take(found.rows);
        const status = this.#rows.locked ? 'locked' : 'ready';
        if (found && rows) this.#set({ rows, apart: found, status, error: undefined });
        else this.failed(toManaError(error));
      } catch (thrown) {
        this.failed(toManaError(thrown));
      }
    };
  }

  #unsubscribe(): void {
    this.#run += 1;
    const id = this.#subscription;
    this.#subscription = undefined;
    if (id === undefined) return;
    try {
      this.#owner.connection?.instance?.call((raw) => raw.unsubscribe(id));
    } catch {
      // The instance died in this call; its subscriptions are gone with it.
    }
  }

  #set(next: Result): void {
    this.#next = next;
    this.#owner.schedule(this);
  }

  #lingerIfUnread(): void {
    clearTimeout(this.#linger);
    if (this.#readers.size === 0 && this.#running) this.#linger = setTimeout(() => this.#stop(), LINGER_MS);
  }
}
