/** Live queries: equal ones share one subscription, and all that a commit touched are told in one microtask. */

import type { Connection } from './connection.js';
import { engineClosed, type ManaError } from './errors.js';
import type { TableInfo } from './fields.js';
import { LiveSource } from './live-source.js';
import { queryKey } from './query-key.js';
import type { RawQuery } from './raw.js';

/** What a flush makes visible and then tells. */
interface Told {
  /** Makes the newest result visible; false when it says nothing new. */
  apply(): boolean;
  notify(): void;
}

/** A function of the app's that reads and is followed. */
interface Followed extends Told {
  changed(tables: readonly string[]): void;
  restart(forget: boolean): void;
  failed(error: ManaError, forget?: boolean): void;
  close(): void;
}

let engines = 0;

/** The live queries of one engine. */
export class LiveQueries {
  readonly #sources = new Map<string, LiveSource>();
  readonly #functions = new Set<Followed>();
  readonly #prefix: string;
  #keys = 0;
  #changed = new Set<Told>();
  #connection: Connection | undefined;

  constructor() {
    engines += 1;
    this.#prefix = `${engines}:`;
  }

  /** Sets where queries are answered. */
  attach(connection: Connection): void {
    this.#connection = connection;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** The key of a query in this engine. */
  key(query: RawQuery, table: TableInfo): string {
    return this.#prefix + queryKey(query, table);
  }

  /** The subscription of a query, shared with all equal ones. */
  source(key: string, table: TableInfo, query: RawQuery): LiveSource {
    const known = this.#sources.get(key);
    if (known) return known;
    const source = new LiveSource(this, key, table, query);
    this.#sources.set(key, source);
    return source;
  }

  /** Forgets a subscription that nobody reads. */
  drop(key: string, source: LiveSource): void {
    if (this.#sources.get(key) === source) this.#sources.delete(key);
  }

  /** A key for a function, which is like no other. */
  functionKey(): string {
    this.#keys += 1;
    return `${this.#prefix}function ${this.#keys}`;
  }

  /** Tells a function what happens from now on. */
  follow(one: Followed): void {
    this.#functions.add(one);
  }

  /** Ends that. */
  forget(one: Followed): void {
    this.#functions.delete(one);
  }

  /** A commit changed rows of these tables; queries are told by the engine itself. */
  changed(tables: readonly string[]): void {
    for (const one of [...this.#functions]) one.changed(tables);
  }

  /** What functions read shows more or less than before; `forget`: what they made of it may not be seen any more. */
  rerun(forget = false): void {
    for (const one of [...this.#functions]) one.restart(forget);
  }

  /**
   * Subscribes anew: with a replaced instance, or (`forget`) because other rows are to be seen from now on; `forgetMade`: what
   * functions made of the rows may not be seen any more.
   */
  restart(forget: boolean, forgetMade = forget): void {
    for (const source of this.#sources.values()) source.restart(forget);
    this.rerun(forgetMade);
  }

  /** The instance died, and its subscriptions with it. */
  died(error: ManaError): void {
    for (const source of this.#sources.values()) source.died(error);
  }

  /** The engine cannot be reached for now. */
  failed(error: ManaError): void {
    for (const source of this.#all()) source.failed(error);
  }

  /** The engine was closed: readers keep the last results, or (`forget`) may not see them any more. */
  close(forget = false): void {
    for (const source of this.#all()) {
      if (forget) source.failed(engineClosed(), true);
      source.close();
    }
  }

  /** All results become visible before the first reader is told, so that no reader sees two states of the database. */
  schedule(source: Told): void {
    if (this.#changed.size === 0) queueMicrotask(() => this.#flush());
    this.#changed.add(source);
  }

  #all(): (LiveSource | Followed)[] {
    return [...this.#sources.values(), ...this.#functions];
  }

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed = new Set();
    for (const source of changed.filter((one) => one.apply())) source.notify();
  }
}
