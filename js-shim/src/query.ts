/** Queries as data: immutable descriptions that become one raw query and, for JS filters, a view of its rows. */

import type { Access } from './access.js';
import { invalidArgument, ManaError } from './errors.js';
import { reviveAll, storedKey, type TableInfo } from './fields.js';
import { LiveView } from './live-view.js';
import { deleteRows, modifyRows } from './modify.js';
import type { RawQuery, RawRange } from './raw.js';
import type { Changes, LiveHandle, Modifier, Query, Readable, WhereClause, Write } from './types.js';

type Test<T> = (row: T) => boolean;

/** A query before it is known who answers which part of it. */
export interface QueryState {
  readonly index: string | null;
  readonly range: RawRange | null;
  readonly reverse: boolean;
  readonly limit: number | null;
  readonly offset: number;
  readonly includeDeleted: boolean;
  readonly acrossSpaces: boolean;
  readonly filters: readonly Test<never>[];
}

/** All rows of a table in the order of its primary key. */
export const everything: QueryState = {
  index: null,
  range: null,
  reverse: false,
  limit: null,
  offset: 0,
  includeDeleted: false,
  acrossSpaces: false,
  filters: [],
};

/** What tables and queries have in common. */
export class Rows<T> implements Readable<T> {
  readonly #access: Access;
  readonly #table: TableInfo;
  readonly #state: QueryState;

  constructor(access: Access, table: TableInfo, state: QueryState) {
    this.#access = access;
    this.#table = table;
    this.#state = state;
  }

  filter<S extends T>(test: (row: T) => row is S): Query<S>;
  filter(test: Test<T>): Query<T>;
  filter(test: Test<T>): Query<T> {
    return this.#with({ filters: [...this.#state.filters, test] });
  }

  limit(count: number): Query<T> {
    const limit = rowCount('limit', count);
    return this.#with({ limit: Math.min(limit, this.#state.limit ?? limit) });
  }

  offset(count: number): Query<T> {
    return this.#with({ offset: rowCount('offset', count) });
  }

  reverse(): Query<T> {
    return this.#with({ reverse: !this.#state.reverse });
  }

  includeDeleted(): Query<T> {
    return this.#with({ includeDeleted: true });
  }

  acrossSpaces(): Query<T> {
    return this.#with({ acrossSpaces: true });
  }

  async first(): Promise<T | undefined> {
    const rows = await this.limit(1).toArray();
    return rows[0];
  }

  async count(): Promise<number> {
    if (this.#state.filters.length > 0) return (await this.toArray()).length;
    return this.#access.count(rawQuery(this.#table, this.#state));
  }

  async toArray(): Promise<T[]> {
    const rows = await this.#access.read(rawQuery(this.#table, this.#state));
    return view(this.#state, reviveAll(this.#table, rows) as T[]);
  }

  live(): LiveHandle<readonly Readonly<T>[]> {
    const state = this.#state;
    const select =
      state.filters.length === 0 ? (rows: readonly T[]) => rows : (rows: readonly T[]) => guardedView(state, rows);
    return new LiveView(this.#access.live(), this.#table, rawQuery(this.#table, state), select);
  }

  #with(change: Partial<QueryState>): TableQuery<T> {
    return new TableQuery(this.#access, this.#table, { ...this.#state, ...change });
  }
}

/** The query of `Query<T>`. */
export class TableQuery<T> extends Rows<T> implements Query<T> {
  readonly #access: Access;
  readonly #table: TableInfo;
  /** The same query in a transaction. */
  readonly #read: (access: Access) => Promise<object[]>;

  constructor(access: Access, table: TableInfo, state: QueryState) {
    super(access, table, state);
    this.#access = access;
    this.#table = table;
    this.#read = (inside) => new TableQuery<object>(inside, table, state).toArray();
  }

  and(test: Test<T>): Query<T> {
    return this.filter(test);
  }

  modify(change: Changes<T> | Modifier<T>): Write<number> {
    return modifyRows(this.#access, this.#table, this.#read, change);
  }

  delete(): Write<number> {
    return deleteRows(this.#access, this.#table, this.#read);
  }
}

/** The conditions of `WhereClause<T, K>`. */
export class IndexClause<T, K> implements WhereClause<T, K> {
  readonly #access: Access;
  readonly #table: TableInfo;
  readonly #index: string;

  constructor(access: Access, table: TableInfo, index: string) {
    this.#access = access;
    this.#table = table;
    this.#index = index;
  }

  equals(key: K): Query<T> {
    return this.#range({ lower: key, upper: key });
  }

  above(key: K): Query<T> {
    return this.#range({ lower: key, lowerOpen: true });
  }

  aboveOrEqual(key: K): Query<T> {
    return this.#range({ lower: key });
  }

  below(key: K): Query<T> {
    return this.#range({ upper: key, upperOpen: true });
  }

  belowOrEqual(key: K): Query<T> {
    return this.#range({ upper: key });
  }

  between(lower: K, upper: K, includeLower = true, includeUpper = false): Query<T> {
    return this.#range({ lower, upper, lowerOpen: !includeLower, upperOpen: !includeUpper });
  }

  startsWith(prefix: string): Query<T> {
    if (typeof prefix !== 'string') throw invalidArgument('startsWith takes a string.', { index: this.#index });
    // U+FFFF is no character: no text goes on with it, so this is above all that begin with the prefix.
    return this.#range({ lower: prefix, upper: `${prefix}\uffff` });
  }

  #range(range: Bounds): Query<T> {
    const key = (value: unknown) => storedKey(this.#table, this.#index, value);
    const full: RawRange = {
      lower: key(range.lower),
      upper: key(range.upper),
      lowerOpen: range.lowerOpen ?? false,
      upperOpen: range.upperOpen ?? false,
      hasLower: 'lower' in range,
      hasUpper: 'upper' in range,
    };
    return new TableQuery(this.#access, this.#table, { ...everything, index: this.#index, range: full });
  }
}

type Bounds = Partial<Pick<RawRange, 'lower' | 'upper' | 'lowerOpen' | 'upperOpen'>>;

/** What the engine is asked for: with JS filters all rows, as which of them count for the limit is only known after. */
function rawQuery(table: TableInfo, state: QueryState): RawQuery {
  const { filters, limit, offset, ...rest } = state;
  const paged = filters.length === 0;
  return { table: table.name, ...rest, limit: paged ? limit : null, offset: paged ? offset : 0 };
}

/** The part of a query that JS answers. */
function view<T>(state: QueryState, rows: T[]): T[] {
  if (state.filters.length === 0) return rows;
  const tests = state.filters as readonly Test<T>[];
  const end = state.limit === null ? Number.POSITIVE_INFINITY : state.offset + state.limit;
  const passed: T[] = [];
  for (const row of rows) {
    if (passed.length >= end) break;
    if (tests.every((test) => test(row))) passed.push(row);
  }
  return passed.slice(state.offset);
}

function guardedView<T>(state: QueryState, rows: readonly T[]): readonly T[] {
  try {
    return view(state, rows as T[]);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ManaError('filter_failed', `A filter threw: ${message}`, { cause });
  }
}

function rowCount(name: string, count: number): number {
  if (Number.isInteger(count) && count >= 0) return count;
  throw invalidArgument(`${name} takes a whole number from 0 on.`, { [name]: count });
}
