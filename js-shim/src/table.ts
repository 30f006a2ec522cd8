/** Tables: reads, writes, and the queries that begin at them. */

import type { Access } from './access.js';
import { listArgument } from './arguments.js';
import { type Changed, changeRecords, type Edit, editRecord } from './edits.js';
import { isPlain } from './equality.js';
import { invalidArgument, namedAs, readArgument } from './errors.js';
import { reviveAll, storedFields, storedKey, storedRow, type TableInfo } from './fields.js';
import { mapped, type Outcome, writePromise } from './outcome.js';
import { indexName, Rows, TableQuery } from './query.js';
import { criteria, everything, wholeIndex } from './query-state.js';
import type { RawCounted, RawWriteKind } from './raw.js';
import { callName } from './transaction.js';
import type {
  Changes,
  CompoundIndex,
  Criteria,
  FieldChanges,
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
export class AccessTable<T extends object, K> extends Rows<T> implements Table<T, K> {
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

  get(key: K | Criteria<T>): Promise<T | undefined> {
    return this.#named('get', async () => {
      if (isCriteria(key)) return this.where(key as Criteria<T>).first();
      const [row] = await this.bulkGet([key as K]);
      return row;
    });
  }

  bulkGet(keys: readonly K[]): Promise<(T | undefined)[]> {
    return this.#named('bulkGet', async () => {
      const stored = readArgument(() => listArgument(keys, 'keys').map((key) => this.#key(key)));
      const rows = await this.#access.getMany(this.name, stored);
      return reviveAll(this.#info, rows) as (T | undefined)[];
    });
  }

  where<F extends IndexName<T>>(index: F): WhereClause<T, IndexKey<T, F>>;
  where<const I extends string>(index: I & CompoundIndex<T, I>): WhereClause<T, readonly Key[]>;
  where(index: PrimaryKeyName): WhereClause<T, K>;
  where(fields: readonly IndexName<T>[]): WhereClause<T, readonly Key[]>;
  where(criteria: Criteria<T>): Query<T>;
  where(index: string | readonly string[] | Criteria<T>): WhereClause<T, never> | Query<T> {
    if (isCriteria(index)) {
      const fields = readArgument(() => Object.entries(index));
      const [only] = fields;
      if (only === undefined) throw invalidArgument('where({}) names no field: use toCollection().');
      if (fields.length === 1) {
        return new IndexClause<T, unknown>(this.#access, this.#info, only[0], everything).equals(only[1]);
      }
      return new TableQuery<T>(this.#access, this.#info, {
        ...everything,
        where: readArgument(() => criteria(this.#info, Object.fromEntries(fields))),
      });
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

  add(row: NewRow<T>, key?: Key): Write<K> {
    return key === undefined
      ? this.#write('add', () => [this.#row(row)], this.#keyInto(row))
      : this.#write('addAt', () => [[this.#key(key), this.#row(row)]], onlyKey);
  }

  put(row: NewRow<T>, key?: Key): Write<K> {
    return key === undefined
      ? this.#write('put', () => [this.#row(row)], this.#keyInto(row))
      : this.#write('putAt', () => [[this.#key(key), this.#row(row)]], onlyKey);
  }

  bulkAdd(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkAdd(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K | undefined>;
  bulkAdd(rows: readonly NewRow<T>[], keys: readonly Key[], options: { readonly allKeys: true }): Write<K[]>;
  bulkAdd(rows: readonly NewRow<T>[], keys: readonly Key[], options?: KeyOptions): Write<K | undefined>;
  bulkAdd(rows: readonly NewRow<T>[], keys?: readonly Key[] | KeyOptions, options?: KeyOptions) {
    return this.#bulk('add', 'addAt', rows, keys, options);
  }

  bulkPut(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkPut(rows: readonly NewRow<T>[], options?: KeyOptions): Write<K | undefined>;
  bulkPut(rows: readonly NewRow<T>[], keys: readonly Key[], options: { readonly allKeys: true }): Write<K[]>;
  bulkPut(rows: readonly NewRow<T>[], keys: readonly Key[], options?: KeyOptions): Write<K | undefined>;
  bulkPut(rows: readonly NewRow<T>[], keys?: readonly Key[] | KeyOptions, options?: KeyOptions) {
    return this.#bulk('put', 'putAt', rows, keys, options);
  }

  update(key: K, changes: Changes<T> | ((row: T) => FieldChanges<T> | undefined)): Write<number> {
    if (typeof changes !== 'function') return this.#change('update', () => [this.#changed(key, changes)], countOf);
    const edited = () => editRecord(this.#access, this.#info, () => this.#key(key), changes as Edit);
    return writePromise(this.#named('update', edited));
  }

  bulkUpdate(items: readonly { readonly key: K; readonly changes: Changes<T> }[]): Write<number> {
    const pairs = () => listArgument(items, 'items').map(({ key, changes }) => this.#changed(key, changes));
    return this.#change('update', pairs, countOf, true);
  }

  upsert(key: K, changes: Changes<T>): Write<boolean> {
    return this.#change('upsert', () => [this.#changed(key, changes)], isCreated);
  }

  delete(key: K): Write<void> {
    return this.#write('delete', () => [this.#key(key)], nothing);
  }

  bulkDelete(keys: readonly K[]): Write<void> {
    return this.#write('delete', () => listArgument(keys, 'keys').map((key) => this.#key(key)), nothing, true);
  }

  restore(key: K): Write<void> {
    return this.#write('restore', () => [this.#key(key)], nothing);
  }

  purge(key: K): Write<void> {
    return this.#write('purge', () => [this.#key(key)], nothing);
  }

  clear(options?: { readonly tombstones?: boolean }): Write<void> {
    const outcome = async (): Promise<Outcome<void>> => {
      const toTombstones = readArgument(() => options?.tombstones === true);
      return this.#written(toTombstones ? 'clearToTombstones' : 'clear', () => [], nothing, false);
    };
    return writePromise(outcome());
  }

  #key(key: unknown): unknown {
    return storedKey(this.#info, null, key);
  }

  #row(row: unknown): Row {
    return storedRow(this.#info, row);
  }

  #changed(key: unknown, changes: unknown): Changed {
    return [this.#key(key), storedFields(this.#info, changes)];
  }

  /** Gives a new row's key, and writes it into the object that was given, which has none yet. */
  #keyInto(row: unknown): (written: RawCounted) => unknown {
    const field = this.#info.keyField;
    return ({ keys: [key] }) => {
      try {
        if (field !== undefined) (row as Row)[field] ??= key;
      } catch {
        // Frozen, or with fields of the app's own making: it stays without.
      }
      return key;
    };
  }

  #bulk(
    inbound: RawWriteKind,
    outbound: RawWriteKind,
    rows: readonly unknown[],
    keysOrOptions: readonly Key[] | KeyOptions | undefined,
    options: KeyOptions | undefined,
  ): Write<never> {
    const outcome = async (): Promise<Outcome<never>> => {
      const { keys, allKeys } = bulkOptions(keysOrOptions, options);
      const result = allKeys ? everyKey : lastKey;
      const list = listArgument(rows, 'rows');
      if (!keys) return this.#written(inbound, () => list.map((row) => this.#row(row)), result, true);
      const pairs = () => {
        if (keys.length !== list.length) throw invalidArgument('There must be one key for each row.');
        return list.map((row, at) => [this.#key(keys[at]), this.#row(row)]);
      };
      return this.#written(outbound, pairs, result, true);
    };
    return writePromise(outcome());
  }

  #write<V>(
    kind: RawWriteKind,
    items: () => unknown[],
    result: (written: RawCounted) => unknown,
    bulk = false,
  ): Write<V> {
    return writePromise(this.#written<V>(kind, items, result, bulk));
  }

  /** Async, so that an unusable argument rejects as the engine's own refusals do; the items are still read in this turn. */
  async #written<V>(
    kind: RawWriteKind,
    items: () => unknown[],
    result: (written: RawCounted) => unknown,
    bulk: boolean,
  ): Promise<Outcome<V>> {
    return mapped(this.#access.write(kind, this.name, readArgument(items), bulk), result as (written: RawCounted) => V);
  }

  #change<V>(
    kind: RawWriteKind,
    items: () => Changed[],
    result: (written: RawCounted) => unknown,
    bulk = false,
  ): Write<V> {
    if (this.#info.keyPaths.length > 0) return this.#write(kind, items, result, bulk);
    const outcome = async (): Promise<Outcome<V>> => {
      const written = changeRecords(this.#access, this.#info, kind, readArgument(items), bulk);
      return mapped(written, result as (written: RawCounted) => V);
    };
    return writePromise(this.#named(callName(kind, bulk), outcome));
  }

  #named<V>(call: string, work: () => Promise<V>): Promise<V> {
    return namedAs(`${this.name}.${call}`, work);
  }
}

function isCriteria(value: unknown): value is Readonly<Record<string, unknown>> {
  return readArgument(() => typeof value === 'object' && value !== null && isPlain(value));
}

function onlyKey(written: RawCounted): unknown {
  return written.keys[0];
}

/** What follows the rows of a bulk call: keys, options, or both; read before anything is written. */
function bulkOptions(keysOrOptions: readonly Key[] | KeyOptions | undefined, options: KeyOptions | undefined) {
  return readArgument(() => {
    const keys = Array.isArray(keysOrOptions) ? (keysOrOptions as readonly Key[]) : undefined;
    const given = keys ? options : ((keysOrOptions as KeyOptions | undefined) ?? options);
    return { keys, allKeys: Boolean(given?.allKeys) };
  });
}

function everyKey(written: RawCounted): unknown {
  return written.keys;
}

function lastKey(written: RawCounted): unknown {
  return written.keys.at(-1);
}

function countOf(written: RawCounted): unknown {
  return written.count;
}

function isCreated(written: RawCounted): unknown {
  return written.created > 0;
}

function nothing(): undefined {
  return undefined;
}
