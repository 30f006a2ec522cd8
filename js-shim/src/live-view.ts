/** The handle that `live()` gives: a shared subscription seen through the query's JS filters. */

import { functionArgument, objectArgument } from './arguments.js';
import { sameItems } from './equality.js';
import { type ManaError, toManaError } from './errors.js';
import type { TableInfo } from './fields.js';
import type { LiveQueries } from './live.js';
import type { LiveSource, Result } from './live-source.js';
import type { Found } from './query-view.js';
import type { RawQuery } from './raw.js';
import type { LiveHandle, LiveStatus } from './types.js';

/** RxJS and others look for this method; the text is what they agree on where the symbol does not exist. */
const observable = ((Symbol as { observable?: symbol }).observable ?? '@@observable') as '@@observable';

type Rows<T> = readonly Readonly<T>[];
type Select<T> = (found: Found<T>) => readonly T[];

interface Shown<T> {
  readonly value: Rows<T> | undefined;
  readonly status: LiveStatus;
  readonly error: ManaError | undefined;
}

interface Observer<V> {
  next?(value: V): void;
}

/** The handle of `LiveHandle`. */
export class LiveView<T> implements LiveHandle<Rows<T>> {
  readonly key: string;
  readonly #queries: LiveQueries;
  readonly #table: TableInfo;
  readonly #query: RawQuery;
  readonly #select: Select<T>;
  #of: Result | undefined;
  #shown: Shown<T> = { value: undefined, status: 'loading', error: undefined };

  constructor(queries: LiveQueries, table: TableInfo, query: RawQuery, select: Select<T>) {
    this.key = queries.key(query, table);
    this.#queries = queries;
    this.#table = table;
    this.#query = query;
    this.#select = select;
  }

  get current(): Rows<T> | undefined {
    return this.#look().value;
  }

  get status(): LiveStatus {
    return this.#look().status;
  }

  get error(): ManaError | undefined {
    return this.#look().error;
  }

  subscribe(run: (value: Rows<T> | undefined) => void): () => void {
    functionArgument(run, 'A subscriber');
    const source = this.#source();
    let told = this.#show(source.result);
    run(told.value);
    return source.retain(() => {
      const now = this.#show(source.result);
      if (now === told) return;
      told = now;
      run(now.value);
    });
  }

  /** Calls `reader` after each change of the shared result, whatever the filters make of it; not at once. */
  follow(reader: () => void): () => void {
    return this.#source().retain(reader);
  }

  [observable]() {
    return {
      subscribe: (observer: Observer<Rows<T> | undefined> | ((value: Rows<T> | undefined) => void)) => {
        if (typeof observer !== 'function') objectArgument(observer, 'An observer');
        const next = typeof observer === 'function' ? observer : (value: Rows<T> | undefined) => observer.next?.(value);
        return { unsubscribe: this.subscribe(next) };
      },
    };
  }

  /** Looked up each time: a subscription that nobody read for a while has ended, and the next reader begins another. */
  #source(): LiveSource {
    return this.#queries.source(this.key, this.#table, this.#query);
  }

  #look(): Shown<T> {
    const source = this.#source();
    source.touch();
    return this.#show(source.result);
  }

  #show(result: Result): Shown<T> {
    if (this.#of !== result) {
      this.#of = result;
      const next = this.#filtered(result);
      if (!same(next, this.#shown)) this.#shown = next;
    }
    return this.#shown;
  }

  #filtered({ rows, apart, status, error }: Result): Shown<T> {
    if (!rows) return { value: undefined, status, error };
    const before = this.#shown.value;
    try {
      const value = this.#select({ ...apart, rows: rows as T[] });
      return { value: before && sameItems(before, value) ? before : Object.freeze(value), status, error };
    } catch (thrown) {
      // A filter that needs what is sealed finds nothing out now, and what it let through before is not to be seen.
      if (status === 'locked') return { value: undefined, status, error };
      return { value: before, status: 'error', error: toManaError(thrown) };
    }
  }
}

function same<T>(a: Shown<T>, b: Shown<T>): boolean {
  return a.value === b.value && a.status === b.status && a.error === b.error;
}
