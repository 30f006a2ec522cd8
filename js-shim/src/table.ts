/** Tables: reads, writes, and the queries that begin at them. */

import type { Access } from './access.js';
import { equal, isPlain } from './equality.js';
import { invalidArgument } from './errors.js';
import { reviveAll, storedKey, storedRow, type TableInfo } from './fields.js';
import { mapped, type Outcome, writePromise } from './outcome.js';
import { indexName, TableQuery } from './query.js';
import { criteria, everything, wholeIndex } from './query-state.js';
import type { RawCounted, RawWriteKind } from './raw.js';
import type {
  Changes,
  CompoundIndex,
  Criteria,
  IndexKey,
  IndexName,
  Key,
  NewRow,
  PrimaryKeyName,
  Query,
  Table,
  WhereClause,
  Write,
} from './types.js';
import { IndexClause } from './where.js';

type Row = Record<string, unknown>;
type KeyOptions = { readonly allKeys?: boolean };

/** The table of `Table<T, K>`. */
export class AccessTable<T extends object, K> extends TableQuery<T> implements Table<T, K> {
  readonly name: string;
  readonly #access: Access;
  readonly #info: TableInfo;

  constructor(access: Access, name: string) {
    const info = access.info(name);
    super(access, info, everything);
    this.name = name;
    this.#access = access;
    this.#info = info;
  }

  async get(key: K | Criteria<T>): Promise<T | undefined> {
    if (isCriteria(key)) return this.where(key as Criteria<T>).first();
    const [row] = await this.bulkGet([key as K]);
    return row;
  }

  async bulkGet(keys: readonly K[]): Promise<(T | undefined)[]> {
    const rows = await this.#access.getMany(
      this.name,
      keys.map((key) => this.#key(key)),
    );
    return reviveAll(this.#info, rows) as (T | undefined)[];
  }

  where<F extends IndexName<T>>(index: F): WhereClause<T, IndexKey<T, F>>;
  where<const I extends string>(index: I & CompoundIndex<T, I>): WhereClause<T, readonly Key[]>;
  where(index: PrimaryKeyName): WhereClause<T, K>;
  where(fields: readonly IndexName<T>[]): WhereClause<T, readonly Key[]>;
  where(criteria: Criteria<T>): Query<T>;
  where(index: string | readonly string[] | Criteria<T>): WhereClause<T, never> | Query<T> {
    if (isCriteria(index)) {
      const fields = Object.keys(index);
      const [only] = fields;
      if (only === undefined) throw invalidArgument('where({}) names no field: use toCollection().');
      if (fields.length === 1) {
        return new IndexClause<T, unknown>(this.#access, this.#info, only, everything).equals(index[only as never]);
      }
      return new TableQuery<T>(this.#access, this.#info, { ...everything, where: criteria(this.#info, index) });
    }
    return new IndexClause(this.#access, this.#info, indexName(index as string), everything);
  }

  override orderBy(index: IndexName<T> | PrimaryKeyName): Query<T>;
  override orderBy<const I extends string>(index: I & CompoundIndex<T, I>): Query<T>;
  override orderBy(fields: readonly IndexName<T>[]): Query<T>;
  override orderBy(index: string | readonly string[]): Query<T> {
    return new TableQuery(this.#access, this.#info, { ...everything, where: wholeIndex(indexName(index)) });
  }

  toCollection(): Query<T> {
    return new TableQuery(this.#access, this.#info, everything);
  }

  add(row: NewRow<T>): Write<K> {
    return this.#write('add', () => [this.#row(row)], onlyKey);
  }

  put(row: NewRow<T>): Write<K> {
    return this.#write('put', () => [this.#row(row)], onlyKey);
  }

  bulkAdd(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkAdd(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K | undefined>;
  bulkAdd(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K[] | K | undefined> {
    return this.#write('add', () => rows.map((row) => this.#row(row)), keysAs(options));
  }

  bulkPut(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkPut(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K | undefined>;
  bulkPut(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K[] | K | undefined> {
    return this.#write('put', () => rows.map((row) => this.#row(row)), keysAs(options));
  }

  update(key: K, changes: Changes<T> | ((row: T) => Changes<T> | undefined)): Write<number> {
    if (typeof changes !== 'function')
      return this.#write('update', () => [[this.#key(key), this.#row(changes)]], countOf);
    return writePromise(this.#access.atomically(this.name, (access) => this.#edit(access, key, changes as Edit)));
  }

  delete(key: K): Write<void> {
    return this.#write('delete', () => [this.#key(key)], nothing);
  }

  bulkDelete(keys: readonly K[]): Write<void> {
    return this.#write('delete', () => keys.map((key) => this.#key(key)), nothing);
  }

  restore(key: K): Write<void> {
    return this.#write('restore', () => [this.#key(key)], nothing);
  }

  clear(): Write<void> {
    return this.#write('clear', () => [], nothing);
  }

  #key(key: unknown): unknown {
    return storedKey(this.#info, null, key);
  }

  #row(row: unknown): Row {
    return storedRow(this.#info, row);
  }

  #write<V>(kind: RawWriteKind, items: () => unknown[], result: (written: RawCounted) => unknown): Write<V> {
    // Async, so that an unusable argument rejects as the engine's own refusals do; the items are still read in this turn.
    const outcome = async (): Promise<Outcome<V>> =>
      mapped(this.#access.write(kind, this.name, items()), result as (written: RawCounted) => V);
    return writePromise(outcome());
  }

  async #edit(access: Access, key: K, edit: Edit): Promise<number> {
    const stored = this.#key(key);
    const [row] = reviveAll(this.#info, await access.getMany(this.name, [stored]));
    if (row === undefined) return 0;
    const changes = changesOf(row as Row, edit);
    if (Object.keys(changes).length === 0) return 0;
    const { value } = await access.write('update', this.name, [[stored, this.#row(changes)]]);
    return value.count;
  }
}

type Edit = (row: Row) => unknown;

/** What an edit did to its copy of the row, and what it answered with. */
function changesOf(row: Row, edit: Edit): Row {
  const draft = structuredClone(row);
  const answer = edit(draft);
  if (answer instanceof Promise) throw invalidArgument('The function given to update must not be async.');
  const changes: Row = {};
  for (const field of Object.keys({ ...row, ...draft })) {
    if (!equal(row[field], draft[field])) changes[field] = draft[field];
  }
  return typeof answer === 'object' && answer !== null && answer !== draft ? { ...changes, ...answer } : changes;
}

function isCriteria(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && isPlain(value);
}

function onlyKey(written: RawCounted): unknown {
  return written.keys[0];
}

function keysAs(options: KeyOptions | undefined): (written: RawCounted) => unknown {
  return options?.allKeys ? (written) => written.keys : (written) => written.keys.at(-1);
}

function countOf(written: RawCounted): unknown {
  return written.count;
}

function nothing(): undefined {
  return undefined;
}
