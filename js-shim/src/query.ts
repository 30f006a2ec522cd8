/** `Query<T>`: each call gives a new description; reading calls send it to the engine. */

import type { Access } from './access.js';
import { functionArgument, isList, textsArgument } from './arguments.js';
import { invalidArgument, namedAs, readArgument } from './errors.js';
import { reviveAll, revivedKey, type TableInfo } from './fields.js';
import { compareKeys, valueAt } from './keys.js';
import { LiveView } from './live-view.js';
import { deleteRows, modifyRows } from './modify.js';
import { encodedKey } from './query-key.js';
import { everything, hasSteps, narrowed, type QueryState, rawQuery, type Step, type Window } from './query-state.js';
import { type Found, guardedView, placesOf, view } from './query-view.js';
import type { RawWant } from './raw.js';
import type {
  Changes,
  Entry,
  Explanation,
  LiveHandle,
  Modifier,
  Query,
  Readable,
  WhereClause,
  Write,
} from './types.js';
import { IndexClause } from './where.js';

type Test<T> = (row: T) => boolean;

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
    return this.#step({ kind: 'filter', test: functionArgument(test, 'What filter calls') });
  }

  and(test: Test<T>): Query<T> {
    return this.filter(test);
  }

  until(test: Test<T>, includeStop = false): Query<T> {
    return this.#step({ kind: 'until', test: functionArgument(test, 'What until calls'), include: includeStop });
  }

  or(index: string | readonly string[]): WhereClause<T, never> {
    const { earlier, where, reverse, distinct, offset, limit, steps, order, includeDeleted, acrossSpaces } =
      this.#state;
    const state = {
      ...everything,
      earlier: [...earlier, { where, reverse, distinct, offset, limit, steps }],
      order,
      includeDeleted,
      acrossSpaces,
    };
    return new IndexClause(this.#access, this.#table, indexName(index), state);
  }

  limit(count: number): Query<T> {
    return this.#with(narrowed(this.#state, 0, rowCount('limit', count)));
  }

  offset(count: number): Query<T> {
    return this.#with(narrowed(this.#state, rowCount('offset', count), null));
  }

  reverse(): Query<T> {
    return this.#with({ reverse: !this.#state.reverse });
  }

  distinct(): Query<T> {
    return this.#with({ distinct: true });
  }

  orderBy(index: string | readonly string[]): Query<T> {
    return this.#with({ order: indexName(index) });
  }

  includeDeleted(): Query<T> {
    return this.#with({ includeDeleted: true });
  }

  acrossSpaces(): Query<T> {
    return this.#with({ acrossSpaces: true });
  }

  first(): Promise<T | undefined> {
    return this.#named('first', async () => (await this.limit(1).toArray())[0]);
  }

  last(): Promise<T | undefined> {
    return this.#named('last', () => this.reverse().first());
  }

  count(): Promise<number> {
    return this.#named('count', async () => {
      if (hasSteps(this.#state)) return (await this.toArray()).length;
      return this.#access.count(rawQuery(this.#table, this.#state));
    });
  }

  async toArray(): Promise<T[]> {
    if (hasSteps(this.#state)) return [...view(this.#state, await this.#find('toArray', { rows: true }))];
    const rows = await this.#access.read(rawQuery(this.#table, this.#state));
    return reviveAll(this.#table, rows) as T[];
  }

  async sortBy(path: string): Promise<T[]> {
    if (typeof path !== 'string') throw invalidArgument('sortBy takes the name of a field.', { path });
    const found = await this.#named('sortBy', () => this.toArray());
    const rows = found.map((row) => ({ row, key: valueAt(row, path) }));
    const sign = this.#state.reverse ? -1 : 1;
    return rows.sort((a, b) => sign * compareKeys(a.key, b.key)).map(({ row }) => row);
  }

  async each(run: (row: T, entry: Entry) => void): Promise<void> {
    functionArgument(run, 'What each calls');
    const found = await this.#find('each', { rows: true, keys: true, primaryKeys: true });
    for (const place of this.#places(found)) {
      run(found.rows[place] as T, { key: this.#key(found, place), primaryKey: found.primaryKeys?.[place] as never });
    }
  }

  async eachKey(run: (key: never, entry: Entry) => void): Promise<void> {
    functionArgument(run, 'What eachKey calls');
    const found = await this.#find('eachKey', { keys: true, primaryKeys: true });
    for (const place of this.#places(found)) {
      const key = this.#key(found, place);
      run(key as never, { key, primaryKey: found.primaryKeys?.[place] as never });
    }
  }

  async keys(): Promise<never[]> {
    const found = await this.#find('keys', { keys: true });
    return this.#places(found).map((place) => this.#key(found, place) as never);
  }

  async uniqueKeys(): Promise<never[]> {
    const state = { ...this.#state, offset: 0, limit: null };
    const found = await this.#find('uniqueKeys', { keys: true }, state);
    const unique = new Map<string, number>();
    for (const place of this.#places(found, state)) {
      const text = JSON.stringify(encodedKey(found.keys?.[place]));
      if (!unique.has(text)) unique.set(text, place);
    }
    const { offset, limit } = this.#state;
    const wanted = [...unique.values()].slice(offset, limit === null ? undefined : offset + limit);
    return wanted.map((place) => this.#key(found, place) as never);
  }

  async primaryKeys(): Promise<never[]> {
    const found = await this.#find('primaryKeys', { primaryKeys: true });
    return this.#places(found).map((place) => found.primaryKeys?.[place] as never);
  }

  live(): LiveHandle<readonly Readonly<T>[]> {
    const state = this.#state;
    const select = hasSteps(state)
      ? (found: Found<T>) => guardedView(state, found)
      : (found: Found<T>): readonly T[] => found.rows;
    // Its text has to be made of the keys, which are the app's.
    return readArgument(() => new LiveView(this.#access.live(), this.#table, rawQuery(this.#table, state), select));
  }

  async explain(): Promise<Explanation> {
    const raw = await this.#access.explain(rawQuery(this.#table, this.#state));
    const functions = [this.#state, ...this.#state.earlier].reduce((sum, { steps }) => sum + steps.length, 0);
    if (functions === 0) return { ...raw, functions };
    const text = `${raw.text}\nThen ${functions} of the app's functions run on the rows, and offset and limit count what they leave.`;
    return { ...raw, functions, text };
  }

  /** What the engine finds, with dates revived; with functions of the app always with rows. */
  async #find(call: string, want: Partial<RawWant>, state: QueryState = this.#state): Promise<Found<T>> {
    const query = rawQuery(this.#table, state);
    const rows = want.rows || hasSteps(state);
    const parts = {
      rows,
      keys: want.keys ?? false,
      primaryKeys: want.primaryKeys || query.apart,
      branches: state.earlier.length > 0,
      apart: query.apart,
    };
    const found = await this.#named(call, () => this.#access.find(query, parts));
    return { ...found, rows: reviveAll(this.#table, found.rows ?? []) as T[] };
  }

  #named<V>(call: string, work: () => Promise<V>): Promise<V> {
    return namedAs(`${this.#table.name}.${call}`, work);
  }

  /** The places of the result in what was found. */
  #places(found: Found<T>, state: QueryState & Window = this.#state): readonly number[] {
    if (hasSteps(state)) return placesOf(state, found);
    return [...(found.keys ?? found.primaryKeys ?? found.rows).keys()];
  }

  #key(found: Found<T>, place: number): never {
    const { where } = this.#state.earlier[found.branches?.[place] ?? -1] ?? this.#state;
    return revivedKey(this.#table, where.index, found.keys?.[place]) as never;
  }

  #step(step: Step): Query<T> {
    return this.#with({ steps: [...this.#state.steps, step] });
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

  modify(change: Changes<T> | Modifier<T>): Write<number> {
    return modifyRows(this.#access, this.#table, this.#read, change);
  }

  delete(): Write<number> {
    return deleteRows(this.#access, this.#table, this.#read);
  }
}

/** The name of an index; fields of a compound one may be given as an array. */
export function indexName(index: string | readonly string[]): string {
  if (typeof index === 'string') return index;
  if (isList(index)) return `[${textsArgument(index, 'the list that names an index').join('+')}]`;
  throw invalidArgument('An index is named by a string, or by an array of fields.');
}

function rowCount(name: string, count: number): number {
  if (Number.isInteger(count) && count >= 0) return count;
  throw invalidArgument(`${name} takes a whole number from 0 on.`, { [name]: count });
}
