/** The public types of the package. */

import type { Archives } from './archive-types.js';
import type { ManaError, ManaErrorCode } from './errors.js';
import type { ModuleSource } from './load.js';
import type { BoundNames, EncryptionOptions, Vault, VaultOptions } from './vault-types.js';

// ── Opening ──────────────────────────────────────────────────────────────────────────────────────

/** What `openEngine` takes. */
export interface EngineOptions {
  /** The name of the IndexedDB database. */
  readonly name: string;
  /** The tables and their indexes. */
  readonly schema: Schema;
  /** Which tables sync, by app; tables not named here stay on this device. */
  readonly apps?: Readonly<Record<string, AppOptions>>;
  /** Who is signed in; `null` or left out: a guest. */
  readonly user?: User | null;
  /** The spaces the user is a member of. Left out, they are those of the last list, as on a start without a connection. */
  readonly spaces?: readonly Space[];
  /** The space that queries see and new records go to; left out: the user's own. */
  readonly activeSpaceId?: string | null;
  /** The sync server; left out: nothing leaves this device. Given, sync starts when the engine is open. */
  readonly sync?: SyncOptions | null;
  /** What is sealed before it is stored; left out: nothing. */
  readonly encryption?: EncryptionOptions;
  /** How the vault behaves. */
  readonly vault?: VaultOptions;
  /** `strict` waits until the disk has a write, `relaxed` (the default) until the operating system has it. */
  readonly durability?: 'relaxed' | 'strict';
  /** How the engine hears of news: the first of these that works. Left out: `['websocket', 'stream', 'poll']`. */
  readonly transports?: readonly Transport[];
  /** Handlers from the start: `blocked`, for one, comes before the engine is open. */
  readonly on?: { readonly [Name in keyof EngineEvents]?: (detail: EngineEvents[Name]) => void };
  /** Where the WASM module is, when the package's own address does not fit. */
  readonly module?: ModuleSource;
}

/**
 * A way in which the engine hears that there is something to pull. `websocket` and `stream` (server-sent events, which bring
 * the changes themselves) do so at once; `poll` asks every 30 s, which the engine does in any case.
 */
export type Transport = 'websocket' | 'stream' | 'poll';

/** The tables of the database. */
export interface Schema {
  /** The app's schema version: a whole number that grows when `stores` change. */
  readonly version: number;
  /** Primary key and indexes of each table in Dexie's syntax, such as `id, projectId, [spaceId+dueDate]`. */
  readonly stores: Readonly<Record<string, string>>;
  /**
   * What to do with the rows when the database comes to a version, by version. Each runs once for a database, whatever
   * tabs are open, in one transaction over all tables: the data are of the version before, or of this one. A new database
   * needs none. As in every transaction, only its own calls are awaited. It sees every row, whoever is signed in and
   * whoever the row belongs to. What it writes to tables that sync is logged as made by the app, where the user may write
   * it; else it changes what is stored on this device.
   */
  readonly upgrades?: Readonly<Record<number, (tx: Transaction) => Promise<void> | void>>;
}

/** How the tables of one app sync. */
export interface AppOptions {
  /**
   * `eager` (the default) is pulled from the start, `lazy` once somebody asks for it: with `sync.ensure`, or by the first
   * query or write over one of its tables. It stays asked for in this database, in all tabs and after a reload. What was
   * written is sent in any case.
   */
  readonly sync?: 'eager' | 'lazy';
  /** The version of the app's data as the server and other devices see it; 1 when left out. */
  readonly schemaVersion?: number;
  /**
   * How records of the version before become those of a version, by version and table: on every device alike, whether they
   * are stored there or come from a device of an older version. Nothing is logged, and every edit keeps its time.
   * Every version from the first one named up to `schemaVersion` needs its entry, `{}` where no field changed, and
   * `schema.version` is raised, too.
   */
  readonly migrations?: Readonly<Record<number, Readonly<Record<string, Migration>>>>;
  /** The tables that sync. */
  readonly tables: Readonly<Record<string, TableOptions>>;
}

/** What becomes of the fields of a table's records at a version. All of it happens at once. */
export interface Migration {
  /** New names, by the old ones. A sealed field needs the old one under `aad`, too. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Fields that are no more. */
  readonly drop?: readonly string[];
  /** Values of records that were made without the field, by field. Every edit wins over them. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

/** How one table syncs. */
export interface TableOptions {
  /** Fields that are Dates in the app and ISO strings on disk and on the wire; years from 0000 to 9999. */
  readonly dates?: readonly string[];
  /** Whether records belong to a space (the default) or to the user. */
  readonly scope?: 'space' | 'user';
  /** The table's name on the wire, when it is another one. */
  readonly syncName?: string;
  /** The names that sealed values of this table are bound to, where it or its fields were renamed since. */
  readonly aad?: BoundNames;
}

/** A signed-in user. */
export interface User {
  /** The id the server knows. */
  readonly id: string;
  /** The name others see beside this user's edits. */
  readonly displayName?: string;
}

/** A space the user is a member of. */
export interface Space {
  /** The space's id. */
  readonly id: string;
  /** What kind of space it is; `personal` is the user's own. */
  readonly type: string;
  /** What the user may do there, such as `owner`, `member` or `viewer`. */
  readonly role?: string;
}

/** Where to sync and how to sign in there. */
export interface SyncOptions {
  /** The server's address. */
  readonly url: string;
  /** Gives the token for the server; asked again when the server no longer takes the last one. `null`: not signed in. */
  readonly getToken: (request: TokenRequest) => Promise<string | null> | string | null;
  /** Used for requests instead of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Used for the connection that brings news instead of the global `WebSocket`. */
  readonly webSocket?: typeof globalThis.WebSocket;
}

/** Why a token is asked for. */
export interface TokenRequest {
  /** `start`: there is none yet; `expired`: the server refused the last one. */
  readonly reason: 'start' | 'expired';
}

/** Who makes a change: kept with every field it writes, and sent along. */
export interface Actor {
  /** What kind of hand it is. */
  readonly kind: 'user' | 'ai' | 'system';
  /** Who it is. */
  readonly principalId: string;
  /** The name others see. */
  readonly displayName?: string;
  /** Anything else the app wants kept. */
  readonly [key: string]: unknown;
}

// ── Field names and keys ─────────────────────────────────────────────────────────────────────────

/** A value IndexedDB can order. */
export type Key = string | number | Date | ArrayBuffer | ArrayBufferView | readonly Key[];

/** Fields the engine adds to synced records, whether or not the app's type names them. */
export type EngineField = 'id' | 'spaceId' | 'userId' | 'authorId' | 'visibility' | 'deletedAt' | '_updatedAtIndex';

type Leaf =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | Blob
  | ArrayBuffer
  | ArrayBufferView;
type Opaque =
  | Leaf
  | readonly unknown[]
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...args: never) => unknown);
type PathIn<T, Depth extends 0[]> = {
  [F in keyof T & string]: NonNullable<T[F]> extends Opaque
    ? F
    : Depth['length'] extends 3
      ? F
      : unknown extends T[F]
        ? F
        : F | `${F}.${PathIn<NonNullable<T[F]>, [...Depth, 0]>}`;
}[keyof T & string];

/** The name of a field of `T`, or a dotted path into one. */
export type FieldPath<T> = PathIn<T, []>;

/** The name of an index on one field of `T`. */
export type IndexName<T> = FieldPath<T> | EngineField;

type Parts<Text extends string> = Text extends `${infer First}+${infer Rest}` ? First | Parts<Rest> : Text;

/** `Index` if it is a compound index such as `[spaceId+dueDate]` over fields of `T`, else `never`. */
export type CompoundIndex<T, Index extends string> = Index extends `[${infer Inner}]`
  ? Parts<Inner> extends IndexName<T>
    ? Index
    : never
  : never;

/** Stands for the primary key, whatever its name. */
export type PrimaryKeyName = ':id';

/** Values that fields have to have: `{ projectId: 'p', done: 1 }`. */
export type Criteria<T> = { readonly [F in IndexName<T>]?: IndexKey<T, F> };

type KeyOf<V> = V extends Date
  ? Date | string
  : V extends readonly (infer Item)[]
    ? KeyOf<Item>
    : V extends Key
      ? V
      : never;

/** What an index on a field is asked for; of an array field, one of its items. */
export type IndexKey<T, Field> = Field extends keyof T
  ? unknown extends T[Field]
    ? Key
    : KeyOf<NonNullable<T[Field]>>
  : Key;

/** The type of a table's primary key. */
export type PrimaryKey<T> = T extends { readonly id?: infer Id }
  ? NonNullable<Id> extends Key
    ? NonNullable<Id>
    : Key
  : Key;

type FilledIn = EngineField | 'updatedAt';

/** A row as it is given to `add` and `put`: what the engine fills in may be left out. */
export type NewRow<T> = { [F in keyof T as F extends FilledIn ? never : F]: T[F] } & {
  [F in keyof T as F extends FilledIn ? F : never]?: T[F] | undefined;
};

/** New values for some fields; `undefined` removes a field, a dotted path (`place.city`, `tags.0`) changes a value inside one. */
export type Changes<T> = FieldChanges<T> & {
  readonly [F in keyof T & string as NonNullable<T[F]> extends readonly unknown[] ? `${F}.${number}` : never]?: unknown;
};

/** The same without places in lists, as functions answer them. */
export type FieldChanges<T> = { readonly [F in Exclude<keyof T & string, 'id'>]?: T[F] | undefined } & {
  readonly [Path in Extract<FieldPath<T>, `${string}.${string}`>]?: unknown;
};

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────

/** What tables and queries have in common: each call gives a new query and leaves this one as it is. */
export interface Readable<T> {
  /** Only rows for which `test` holds; runs on finished rows, before `offset` and `limit`. */
  filter<S extends T>(test: (row: T) => row is S): Query<S>;
  filter(test: (row: T) => boolean): Query<T>;
  /** At most `count` rows. */
  limit(count: number): Query<T>;
  /** Without the first `count` rows. */
  offset(count: number): Query<T>;
  /** In the opposite order. */
  reverse(): Query<T>;
  /** Deleted rows too; they have a `deletedAt`. */
  includeDeleted(): Query<T>;
  /** Rows of every space the user may see, not of the active one only. */
  acrossSpaces(): Query<T>;
  /**
   * In the order of an index or of any field; rows without a key there are left out. An index that also answers the
   * query's conditions gives the order for nothing (`explain()` tells), else rows are sorted in memory, before `offset`
   * and `limit`.
   */
  orderBy(index: IndexName<T> | PrimaryKeyName): Query<T>;
  orderBy<const I extends string>(index: I & CompoundIndex<T, I>): Query<T>;
  orderBy(fields: readonly IndexName<T>[]): Query<T>;
  /** Ends the list at the first row for which `test` holds, which is left out unless `includeStop` is true. */
  until(test: (row: T) => boolean, includeStop?: boolean): Query<T>;
  /** Each row once, also where a multi-entry index lists it several times. */
  distinct(): Query<T>;
  /** The first row, or `undefined`. */
  first(): Promise<T | undefined>;
  /** The last row, or `undefined`: the first one in the opposite order, whatever `limit` there is. */
  last(): Promise<T | undefined>;
  /** How many rows there are. Local tables are counted without reading a row, unless functions decide. */
  count(): Promise<number>;
  /** The rows. */
  toArray(): Promise<T[]>;
  /** The rows, after `offset` and `limit`, sorted by a field: in memory, rows without a key there first. */
  sortBy(path: FieldPath<T> | EngineField): Promise<T[]>;
  /** Calls `run` with each row and its keys; what it throws ends the call. */
  each(run: (row: T, entry: Entry) => void): Promise<void>;
  /** Calls `run` with the key of each row in the query's index. */
  eachKey<K extends Key = Key>(run: (key: K, entry: Entry) => void): Promise<void>;
  /** The key of each row in the query's index. */
  keys<K extends Key = Key>(): Promise<K[]>;
  /** The same, each key once; `offset` and `limit` count keys. */
  uniqueKeys<K extends Key = Key>(): Promise<K[]>;
  /** The primary key of each row. */
  primaryKeys<K extends Key = PrimaryKey<T>>(): Promise<K[]>;
  /** How this query is answered: which index and ranges are read, what is done in memory, and why. Reads nothing. */
  explain(): Promise<Explanation>;
  /** A handle that follows the result as it changes. */
  live(): LiveHandle<readonly Readonly<T>[]>;
}

/** A description of rows to read; nothing is read before one of the reading calls. */
export interface Query<T> extends Readable<T> {
  /** The same as `filter`. */
  and(test: (row: T) => boolean): Query<T>;
  /**
   * Adds rows that another index finds. Each row comes once: those of the first condition in its order, then those that
   * only later ones find. Filters and limits before `or` are about the rows found so far, those after it about all.
   */
  or<F extends IndexName<T>>(index: F): WhereClause<T, IndexKey<T, F>>;
  or<const I extends string>(index: I & CompoundIndex<T, I>): WhereClause<T, readonly Key[]>;
  or(index: PrimaryKeyName): WhereClause<T, PrimaryKey<T>>;
  or(fields: readonly IndexName<T>[]): WhereClause<T, readonly Key[]>;
  /**
   * Changes the rows, read and written in one transaction. Gives how many there were. Rows that are refused are named by
   * `bulk_failed`; the others are changed.
   */
  modify(changes: Changes<T>): Write<number>;
  /**
   * Lets `edit` change a copy of each row. It may put another object in place of the row (`context.value = …`), delete the
   * row (`delete context.value`) or leave it as it is (`return false`). What it throws undoes all of it.
   */
  modify(edit: Modifier<T>): Write<number>;
  /** Deletes the rows, read and deleted in one transaction. Gives how many there were. */
  delete(): Write<number>;
}

/** A function given to `modify`; its second argument is also its `this`. */
export type Modifier<T> = (this: ModifyContext<T>, row: T, context: ModifyContext<T>) => unknown;

/** A row while it is modified. */
export interface ModifyContext<T> {
  /**
   * The copy that is changed; `undefined` or deleted: the row is deleted. Another object replaces the row; of records that sync it
   * may leave out id, space, user, author and visibility.
   */
  value?: T | undefined;
  /** The row's primary key. */
  readonly primKey: unknown;
}

/** The keys under which a row was found. */
export interface Entry {
  /** Its key in the query's index. */
  readonly key: Key;
  /** Its primary key. */
  readonly primaryKey: Key;
}

/** How a query is answered. */
export interface Explanation {
  /** What is read; rows of several parts are united. */
  readonly parts: readonly ExplainedPart[];
  /** What rows are sorted by in memory; `null`: they come in order. */
  readonly sort: string | null;
  /** Whether rows that came twice are dropped in memory. */
  readonly distinct: boolean;
  /** How many functions of the app run on the rows. */
  readonly functions: number;
  /** The same in sentences, for people; its words may change. */
  readonly text: string;
}

/** What is read of one index. */
export interface ExplainedPart {
  /** The index; `null`: the primary key. */
  readonly index: string | null;
  /** Its ranges in interval notation, as `["a", "b")`. */
  readonly ranges: readonly string[];
  /** From the greatest key down. */
  readonly reverse: boolean;
  /** What is looked at in each row. */
  readonly filters: readonly string[];
  /** Why this index. */
  readonly why: string;
}

/**
 * The conditions an index can answer. An index is one that the schema declares, the primary key, or the first fields of
 * a compound one. Keys are ordered as IndexedDB orders them: numbers, Dates, strings, bytes, arrays.
 */
export interface WhereClause<T, K> {
  /** Rows with that key. */
  equals(key: K): Query<T>;
  /** Rows with any other key. */
  notEqual(key: K): Query<T>;
  /** Rows with a greater key. */
  above(key: K): Query<T>;
  /** Rows with that key or a greater one. */
  aboveOrEqual(key: K): Query<T>;
  /** Rows with a smaller key. */
  below(key: K): Query<T>;
  /** Rows with that key or a smaller one. */
  belowOrEqual(key: K): Query<T>;
  /** Rows with a key from `lower` (included unless said otherwise) to `upper` (left out unless said otherwise). */
  between(lower: K, upper: K, includeLower?: boolean, includeUpper?: boolean): Query<T>;
  /** Rows with a key in any of the ranges, whose lower bounds belong to them (by default) and upper ones do not. */
  inAnyRange(
    ranges: readonly (readonly [K, K])[],
    options?: { readonly includeLowers?: boolean; readonly includeUppers?: boolean },
  ): Query<T>;
  /** Rows with one of the keys, in the order of the keys. */
  anyOf(keys: readonly K[]): Query<T>;
  anyOf(...keys: readonly K[]): Query<T>;
  /** Rows with none of the keys. */
  noneOf(keys: readonly K[]): Query<T>;
  noneOf(...keys: readonly K[]): Query<T>;
  /** Rows whose key is a string that begins with `prefix`. */
  startsWith(prefix: string): Query<T>;
  /** Rows whose key is a string that begins with one of the prefixes. */
  startsWithAnyOf(prefixes: readonly string[]): Query<T>;
  startsWithAnyOf(...prefixes: readonly string[]): Query<T>;
  /** Rows whose key is that string, in upper or lower case. */
  equalsIgnoreCase(text: string): Query<T>;
  /** Rows whose key is one of the strings, in upper or lower case. */
  anyOfIgnoreCase(texts: readonly string[]): Query<T>;
  anyOfIgnoreCase(...texts: readonly string[]): Query<T>;
  /** Rows whose key is a string that begins with `prefix`, in upper or lower case. */
  startsWithIgnoreCase(prefix: string): Query<T>;
  /** Rows whose key is a string that begins with one of the prefixes, in upper or lower case. */
  startsWithAnyOfIgnoreCase(prefixes: readonly string[]): Query<T>;
  startsWithAnyOfIgnoreCase(...prefixes: readonly string[]): Query<T>;
}

/** One table. */
export interface Table<T extends object = Record<string, unknown>, K = PrimaryKey<T>> extends Readable<T> {
  /** The table's name. */
  readonly name: string;
  /** The row with that key in any space the user may see; `undefined` when there is none or it is deleted. */
  get(key: K): Promise<T | undefined>;
  /** The first row whose fields have those values, as `where(criteria)` finds it. */
  get(criteria: Criteria<T>): Promise<T | undefined>;
  /** The rows with those keys, in that order. */
  bulkGet(keys: readonly K[]): Promise<(T | undefined)[]>;
  /** Rows found by an index. */
  where<F extends IndexName<T>>(index: F): WhereClause<T, IndexKey<T, F>>;
  where<const I extends string>(index: I & CompoundIndex<T, I>): WhereClause<T, readonly Key[]>;
  where(index: PrimaryKeyName): WhereClause<T, K>;
  where(fields: readonly IndexName<T>[]): WhereClause<T, readonly Key[]>;
  /**
   * Rows whose fields have those values. The index that answers most of them is used, and one has to answer one at
   * least; the other fields are compared in memory.
   */
  where(criteria: Criteria<T>): Query<T>;
  /** All rows that an index lists, in its order; rows without its key are left out. */
  orderBy(index: IndexName<T> | PrimaryKeyName): Query<T>;
  orderBy<const I extends string>(index: I & CompoundIndex<T, I>): Query<T>;
  orderBy(fields: readonly IndexName<T>[]): Query<T>;
  /** All rows. */
  toCollection(): Query<T>;
  /**
   * Inserts a row; fails with `already_exists` when there is one. `key`: for tables with keys beside the rows. Gives its key,
   * which is also written into the object where it had none.
   */
  add(row: NewRow<T>, key?: Key): Write<K>;
  /** Inserts or replaces a row. A field left out is removed: to change a part of a row, use `update`. Gives its key. */
  put(row: NewRow<T>, key?: Key): Write<K>;
  /**
   * Inserts rows. Gives the last key, or all of them. Rows that are refused are named by `bulk_failed`; the others are
   * inserted, unless a transaction around the call ends with that error.
   */
  bulkAdd(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkAdd(rows: readonly NewRow<T>[], options?: { readonly allKeys?: boolean }): Write<K | undefined>;
  bulkAdd(rows: readonly NewRow<T>[], keys: readonly Key[], options: { readonly allKeys: true }): Write<K[]>;
  bulkAdd(
    rows: readonly NewRow<T>[],
    keys: readonly Key[],
    options?: { readonly allKeys?: boolean },
  ): Write<K | undefined>;
  /** Inserts or replaces rows, else like `bulkAdd`. */
  bulkPut(rows: readonly NewRow<T>[], options: { readonly allKeys: true }): Write<K[]>;
  bulkPut(rows: readonly NewRow<T>[], options?: { readonly allKeys?: boolean }): Write<K | undefined>;
  bulkPut(rows: readonly NewRow<T>[], keys: readonly Key[], options: { readonly allKeys: true }): Write<K[]>;
  bulkPut(
    rows: readonly NewRow<T>[],
    keys: readonly Key[],
    options?: { readonly allKeys?: boolean },
  ): Write<K | undefined>;
  /** Changes fields of a row. Gives 1 when something changed, else 0. */
  update(key: K, changes: Changes<T>): Write<number>;
  /**
   * Reads a row, lets `edit` change fields of it or answer with changes, and writes what differs, all in one transaction. Only
   * an answer may name paths.
   */
  update(key: K, edit: (row: T) => FieldChanges<T> | undefined): Write<number>;
  /** Changes fields of rows. Gives how many changed. Rows that are refused are named by `bulk_failed`. */
  bulkUpdate(items: readonly { readonly key: K; readonly changes: Changes<T> }[]): Write<number>;
  /** Changes fields of a row, or makes one of them. Gives whether it was made. */
  upsert(key: K, changes: Changes<T>): Write<boolean>;
  /** Deletes a row; on synced tables it can be restored. */
  delete(key: K): Write<void>;
  /** Deletes rows. Those that are refused are named by `bulk_failed`. */
  bulkDelete(keys: readonly K[]): Write<void>;
  /** Takes the deletion of a row back. */
  restore(key: K): Write<void>;
  /** Takes a row's values off this device, for good; the server and other devices keep it. On local tables: deletes it. */
  purge(key: K): Write<void>;
  /** Empties a local table. On synced ones `tombstones` is needed: it deletes, everywhere, the rows that a query sees. */
  clear(options?: { readonly tombstones?: boolean }): Write<void>;
}

/** Resolves when the write is saved on this device. */
export interface Write<V> extends Promise<V> {
  /**
   * Resolves when the server has it; at once for what does not sync. Rejects with `rejected` when the server refuses it. For a write
   * in a transaction it comes after that: awaited inside, it rejects with `transaction_inactive`, and nothing is saved.
   */
  readonly synced: Promise<void>;
}

/** `r` reads, `rw` reads and writes. */
export type TransactionMode = 'r' | 'rw';

/** Several reads and writes as one: all of them happen, or none. Only its own calls may be awaited inside. */
export interface Transaction {
  /** A table named when the transaction was begun. */
  table<T extends object = Record<string, unknown>>(name: string): Table<T>;
  /** Undoes everything; the transaction's promise rejects with `transaction_aborted`. */
  abort(): void;
}

// ── Following changes ────────────────────────────────────────────────────────────────────────────

/** A value that can be followed; `$store` in Svelte. */
export interface Store<V> {
  /** The value now. */
  readonly current: V;
  /** Calls `run` with the value now, at once, and with each later one; gives the function that ends it. */
  subscribe(run: (value: V) => void): () => void;
}

/**
 * `loading`: no result yet; `ready`: `current` is the result; `locked`: some of the rows that were found show sealed values
 * which cannot be opened now, and the query runs again when the vault is unlocked; `error`: see `error`, `current` is the
 * last result. A filter that throws over a sealed value has no result while it is `locked`.
 */
export type LiveStatus = 'loading' | 'ready' | 'locked' | 'error';

/** A result that follows the database: its rows are frozen, and those that did not change stay the same objects. */
export interface LiveHandle<V> extends Store<V | undefined> {
  /** The same text for all handles that share a subscription: those of queries that differ at most in JS filters. */
  readonly key: string;
  /** Whether there is a result. */
  readonly status: LiveStatus;
  /** What went wrong, while `status` is `error`. */
  readonly error: ManaError | undefined;
}

/** What a function given to `liveQuery` reads with. */
export interface Reader {
  /** A table to read from. */
  table<T extends object = Record<string, unknown>>(name: string): TableReader<T>;
}

/** The calls of a table that read once. */
export type TableReader<T extends object = Record<string, unknown>, K = PrimaryKey<T>> = Pick<
  Table<T, K>,
  Exclude<keyof Readable<T>, 'live'> | 'name' | 'get' | 'bulkGet' | 'where' | 'toCollection'
>;

/** What the sync loop is doing. */
export type SyncState =
  | 'local'
  | 'syncing'
  | 'synced'
  | 'offline'
  | 'error'
  | 'needs-auth'
  | 'update-required'
  | 'storage-full'
  | 'billing-required';

/** How far this device and the server agree. */
export interface SyncStatus {
  /** What the loop is doing; `local` when there is no server to sync with. */
  readonly state: SyncState;
  /** How many changes are on their way to the server; dead letters and what waits behind them are not. */
  readonly pending: number;
  /** When this device last had everything, as an ISO string. */
  readonly lastSyncedAt: string | null;
  /** What went wrong last, and when it is tried again (milliseconds since 1970). */
  readonly error: { readonly code: string; readonly message: string; readonly retryAt: number | null } | null;
  /** The apps that are being pulled for the first time; empty when everything that was asked for is here. */
  readonly progress: readonly AppProgress[];
}

/** How far the first pull of an app is. */
export interface AppProgress {
  /** The app. */
  readonly app: string;
  /** How many changes the server has gone through: of all that this user may read, those of other apps among them. */
  readonly done: number;
  /** How many that are about; `null` while the server has not said. */
  readonly total: number | null;
}

/** A step of the sync loop: how much, how long, and why it failed. It says nothing of what changes say. */
export interface Telemetry {
  /**
   * `push:start` and `pull:start` when a request leaves, `…:ok` or `…:error` when it was answered or was not; a page that the
   * server sends by itself has no start. `apply:done` when a page is stored, `apply:quarantined` for what was set aside of it.
   */
  readonly name:
    | 'push:start'
    | 'push:ok'
    | 'push:error'
    | 'pull:start'
    | 'pull:ok'
    | 'pull:error'
    | 'apply:done'
    | 'apply:quarantined';
  /** The apps whose changes they were. */
  readonly apps: readonly string[];
  /** How many changes. */
  readonly count: number;
  /** How long it took, in milliseconds; `null` at a start and for what was set aside. */
  readonly ms: number | null;
  /** Why it failed (a trouble of docs/errors.md, `unauthorized` or `cursor_expired`), or was set aside. */
  readonly code: string | null;
}

/** The sync loop. */
export interface Sync {
  /** What it is doing. */
  readonly status: Store<SyncStatus>;
  /**
   * Starts it; `openEngine` does so when it is given `sync`. Where it runs, this ends the states that wait for the app
   * (`needs-auth`, `update-required`, `billing-required`), as `syncNow` does, and changes nothing else.
   */
  start(): void;
  /** Stops it; changes are kept and sent after the next start. */
  stop(): void;
  /** Resolves when everything written so far is pushed and everything the server had is pulled. */
  syncNow(): Promise<void>;
  /**
   * Asks for an app and resolves when all of it was pulled once: at once where it was, also without a connection. Works in
   * every tab. Rejects with `unknown_app`, or like `syncNow` with `offline`, `sync_failed` or `closed`; the app stays asked
   * for and is then pulled as soon as that is possible.
   */
  ensure(appId: string): Promise<void>;
  /**
   * Pulls everything anew, for a device that may lack something, and resolves like `syncNow`. What was changed here and not
   * sent stays and is sent; nothing is removed because the server does not have it, and nothing is sent again. Where it
   * fails, the pull goes on by itself when the server can be reached.
   */
  resync(): Promise<void>;
  /**
   * Compares what this device holds with what the server does, after pushing and pulling, and changes nothing: per table and
   * space, how many records there are and a fingerprint of when each field was written. No value is read, so it works
   * while the vault is locked, and in every tab. Writing may go on. It reads everything on both sides: for a person who asks,
   * or once in a while. What differs is mended by `resync`. Rejects like `syncNow`.
   */
  check(): Promise<CheckResult>;
  /** How many changes of this user the server does not have: on their way, refused, or waiting behind a refused one. */
  unsentCount(): Promise<number>;
  /** What the server refused for good. */
  readonly deadLetters: DeadLetters;
  /**
   * How many changes came that cannot be applied here, by reason; reasons that have none are left out. Works in every tab, also
   * without a connection. The event `quarantine` tells of new ones.
   */
  quarantine(): Promise<readonly QuarantineCount[]>;
}

/** Why a change that came cannot be applied here; docs/errors.md, "Quarantine", says what can be done. */
export type QuarantineCode =
  | 'malformed'
  | 'unknown_table'
  | 'schema_too_new'
  | 'clock_ahead'
  | 'space_mismatch'
  | 'not_unique';

/** What quarantine holds for one reason. */
export interface QuarantineCount {
  /** The reason. */
  readonly code: QuarantineCode;
  /** How many changes wait. */
  readonly count: number;
  /**
   * How many more had to make room: the oldest, above 1,000 changes or 10 MB in all. They come again when everything is pulled
   * anew, with `resync` or by itself once the app is new enough for them, and are counted anew then.
   */
  readonly dropped: number;
}

/** What a check found. */
export interface CheckResult {
  /**
   * `equal`: everything that was compared is the same. `different`: some tables differ, and twice in a row by the same.
   * `moving`: changes kept coming, so nothing can be said now. `waiting`: more than 1,000 records have changes that were not
   * sent, not taken or not applied, so nothing can be said before they are.
   */
  readonly state: 'equal' | 'different' | 'moving' | 'waiting';
  /** Whether everything that was compared is the same. */
  readonly equal: boolean;
  /** The tables with records on either side, by space; empty while nothing can be said. */
  readonly tables: readonly TableCheck[];
  /**
   * How many records were left out, on both sides, because this device knows that they differ: with changes that were not
   * sent, refused ones (`deadLetters`) and what waits behind them, and those with changes in quarantine.
   */
  readonly leftOut: number;
}

/** One table in one space, on this device and on the server. */
export interface TableCheck {
  /** The app. */
  readonly app: string;
  /** The table. */
  readonly table: string;
  /** The space; `null` for what is the user's own, also of their personal space. */
  readonly spaceId: string | null;
  /** This device. */
  readonly local: TableFingerprint;
  /** The server. */
  readonly server: TableFingerprint;
  /** Whether both hold the same. */
  readonly equal: boolean;
}

/** What one side holds of a table, without deleted records. */
export interface TableFingerprint {
  /** How many records. */
  readonly records: number;
  /** 64 hexadecimal digits made of the ids of the records and of when each of their fields was written. */
  readonly hash: string;
}

/**
 * What the server refused for good. Later changes of the same record wait behind it, until the person sends it again or
 * discards it. Nothing here is ever dropped by itself, however much it is.
 */
export interface DeadLetters {
  /** All of them, oldest first. The event `dead-letter` tells of a new one. */
  list(): Promise<readonly DeadLetter[]>;
  /**
   * Sends a letter again, then what waited behind it, in the order it was written. What is refused again is a new letter
   * with another id. Rejects with `not_found` when there is no such letter (any more), and with `invalid_argument` when
   * it is not `retryable`.
   */
  retry(id: string): Promise<void>;
  /**
   * Takes a letter's changes back: each field gets the value it had, unless something newer stands there, and a record
   * that was new is gone, with what was written in it since. Other changes that waited are sent. Of a letter that is not
   * `retryable` only the letter goes. Rejects with `not_found` when there is no such letter (any more).
   */
  discard(id: string): Promise<void>;
}

/** A change that the server refused for good, or several that belong together, such as a move to another space. */
export interface DeadLetter {
  /** Names it; that of the event `dead-letter`. */
  readonly id: string;
  /** Why it was refused: a code of docs/errors.md, "Rejections". */
  readonly code: string;
  /** The same in words. */
  readonly message: string;
  /** When that became known, by this device's clock, as an ISO string. */
  readonly at: string;
  /** What was refused. The values are those that the records show. */
  readonly changes: readonly RefusedChange[];
  /** How many later changes wait behind it. */
  readonly waiting: number;
  /** Whether `retry` can send it; `false` for a value that could not be sent at all, which stays on this device. */
  readonly retryable: boolean;
}

/** A change in a dead letter. */
export interface RefusedChange {
  /** The app the table belongs to. */
  readonly app: string;
  /** The table. */
  readonly table: string;
  /** The record. */
  readonly id: string;
  /** What was done to it. */
  readonly op: 'insert' | 'update' | 'delete';
  /** The record's space; `null` on tables of the user's own. */
  readonly spaceId: string | null;
  /** The fields that were written. */
  readonly fields: readonly string[];
}

/** A value of this device that was replaced by one whose writer had not seen it. */
export interface Conflict {
  /** The table. */
  readonly table: string;
  /** The record. */
  readonly id: string;
  /** The field. */
  readonly field: string;
  /** The value that lost. */
  readonly local: ConflictSide;
  /** The value that won. */
  readonly incoming: ConflictSide;
}

/** One of the two values of a conflict. */
export interface ConflictSide {
  /** The value as stored. */
  readonly value: unknown;
  /** When it was written: a stamp, as an ISO string. */
  readonly at: string;
  /** Who wrote it. */
  readonly actor: Actor;
}

/** Edits of this user that lost against later ones. */
export interface Conflicts {
  /** Calls `run` with each conflict from now on; gives the function that ends it. */
  subscribe(run: (conflict: Conflict) => void): () => void;
  /** Writes the value that lost, or that an `integrity` event kept, back, as a new edit. */
  restore(conflict: Conflict): Promise<void>;
}

/** A value of a sealed field that is not the user's, or does not open. It is stored, as on all devices, and not shown. */
export interface Integrity {
  /**
   * `forged_value`: its key is here and does not open it. `downgrade`: it is not sealed for its place, though the field was by then.
   * `decrypt_failed`: read, it did not open with the keys that are here; told once for each field of a table.
   */
  readonly code: 'forged_value' | 'downgrade' | 'decrypt_failed';
  /** The table. */
  readonly table: string;
  /** The record. */
  readonly id: string;
  /** The field. */
  readonly field: string;
  /**
   * What is shown instead (`local`), and what came (`incoming`): `conflicts.restore` writes the first again, for all devices.
   * `null`: this device had nothing there that opens.
   */
  readonly kept: Conflict | null;
}

/** Rows of one table that one commit changed alike. */
export interface TableChange {
  /** The table. */
  readonly table: string;
  /** The keys of the rows; none where a table with keys beside its rows was cleared. */
  readonly ids: readonly Key[];
  /** What happened to them. `restore`: they had been deleted and are there again. */
  readonly op: 'insert' | 'update' | 'delete' | 'restore';
  /** By what kind of hand, as in the rows' field metadata; `server-replay`: it came from the server. */
  readonly origin: 'user' | 'agent' | 'system' | 'migration' | 'server-replay';
  /** The fields that were written by an `update` or `restore`; none of the others, which concern the whole row. */
  readonly fields: readonly string[];
  /** Whether this engine made the commit; `false`: another tab did. */
  readonly here: boolean;
}

/** Particulars of an event. */
export type EventDetail = Readonly<Record<string, unknown>> | null;

/** How far the adoption of an older app's database is, and what it came to. */
export interface Adoption {
  /** `pulling` until the server was asked for everything, then `done`. */
  readonly phase: 'found' | 'pulling' | 'done';
  /** Records brought into the engine's form. */
  readonly records: number;
  /** Changes taken over from the older app's queue. */
  readonly queued: number;
  /** Dead letters: what cannot travel. */
  readonly letters: number;
  /** Changes logged because the server did not have them. */
  readonly logged: number;
}

/** What became of the rows of a space that the user left, or was taken out of. */
export interface SpaceRemoved {
  readonly spaceId: string;
  /** How many rows were removed. */
  readonly removed: number;
  /**
   * Rows that stay on this device for 30 days, hidden: `private` ones are the user's alone; of `unsent` ones the server does
   * not have, or did not take, a change.
   */
  readonly kept: readonly { readonly table: string; readonly id: string; readonly why: 'private' | 'unsent' }[];
}

/** The engine's events and what their handlers are called with. */
export interface EngineEvents {
  /** A commit changed rows, here or in another tab. */
  readonly change: readonly TableChange[];
  /** Another tab with an older version keeps the database from opening. */
  readonly blocked: EventDetail;
  /** Another tab wants to open a newer version; this engine is closing. */
  readonly versionchange: EventDetail;
  /** The engine was closed: by the app, or because another tab wants to open a newer version or to delete the database. */
  readonly closed: EventDetail;
  /** The data come to `version`: `step` of `steps` upgrades are done. */
  readonly upgrade: { readonly version: number; readonly step: number; readonly steps: number };
  /** An older app's database was taken over (`pulling`), or everything of it was logged (`done`). */
  readonly adoption: Adoption;
  /** An edit of this user lost against a later one. */
  readonly conflict: Conflict;
  /** A value that came for a sealed field is not the user's; told once. */
  readonly integrity: Integrity;
  /** Changes from the server could not be applied and were set aside: why, and how many. */
  readonly quarantine: { readonly code: QuarantineCode; readonly count: number };
  /** The server refused a change for good; it was set aside. */
  readonly 'dead-letter': { readonly eventId: string; readonly code: string; readonly message: string };
  /** The tab that syncs did something: for measuring, without any of what was said. */
  readonly telemetry: Telemetry;
  /** The server takes no token that `getToken` gives. */
  readonly 'needs-auth': EventDetail;
  /** This device's clock is wrong by more than 5 s: server time minus device time, in milliseconds. */
  readonly 'clock-skew': { readonly offset: number };
  /** There is no room left for what the server sent. */
  readonly 'storage-full': EventDetail;
  /**
   * The app should be updated. With `waiting`: so many changes came that a newer version of the app wrote; they are kept, and
   * merged after the update. Without: the server takes no more changes of this version of the app.
   */
  readonly 'update-required': { readonly waiting?: number };
  /** The account must be paid for before it syncs. */
  readonly 'billing-required': EventDetail;
  /** The newest key has sealed so many values that it should be rotated; told once. */
  readonly 'rotation-due': { readonly uses: number };
  /** The server named the user's spaces. */
  readonly spaces: readonly Space[];
  /** The user is a member of a space no more, and its rows were taken off this device, but for those that it names. */
  readonly 'space-removed': SpaceRemoved;
  /** The browser lost the database, with about so many changes that the server did not have; told once. */
  readonly 'database-lost': { readonly unsent: number };
}

// ── The engine ───────────────────────────────────────────────────────────────────────────────────

/** What can be done in the name of an actor. */
export interface Writer {
  /** A table; `T` is the type of its rows. */
  table<T extends object = Record<string, unknown>>(name: string): Table<T>;
  /** Runs `body` in one transaction over `tables`: saved when it returns, undone when it throws. */
  transaction<R>(
    mode: TransactionMode,
    tables: string | readonly string[],
    body: (tx: Transaction) => Promise<R> | R,
  ): Write<R>;
  /** The same, with writes that carry `actor`. */
  as(actor: Actor): Writer;
}

/** For developers' tools: what is stored, as it is stored. */
export interface Inspector {
  /** A record with its field metadata, and the entries of the change log that name it. */
  record(table: string, key: Key): Promise<{ readonly record: object | null; readonly log: readonly object[] }>;
  /** The oldest entries of the change log, the next to be sent, at most `limit` (100 when left out). */
  log(limit?: number): Promise<readonly object[]>;
}

/** An open database. */
export interface Engine extends Writer {
  /** The sync loop. */
  readonly sync: Sync;
  /** Edits that lost against later ones. */
  readonly conflicts: Conflicts;
  /** The key for what is sealed. */
  readonly vault: Vault;
  /** Backups: the user's records as a file, and what is in such a file. */
  readonly archive: Archives;
  /** Whether a row shows a sealed value that cannot be opened now: its vault is locked, or its key is not here. */
  isLocked(row: object): boolean;
  /** What is stored, for developers' tools. */
  readonly inspector: Inspector;
  /** Calls `handler` at each event of that name; gives the function that ends it. */
  on<Name extends keyof EngineEvents>(name: Name, handler: (detail: EngineEvents[Name]) => void): () => void;
  /** Signs a user in. A database of another user answers `other_user`, or is deleted and made anew with `wipe`. */
  setUser(user: User | null, options?: WipeOptions): Promise<void>;
  /**
   * Tells which spaces the user is a member of; the list is kept for starts without one. A space that was the user's own
   * and is shared now answers `space_type_changed`, unless the person has agreed.
   */
  setSpaces(spaces: readonly Space[], options?: SetSpacesOptions): Promise<void>;
  /** Chooses the space that queries see and new records go to. */
  setActiveSpace(spaceId: string | null): Promise<void>;
  /**
   * Takes what a guest wrote on this device into the account of who is signed in: each record once, into the user's own
   * space, encrypted where it is to be, with the stamps it has. Pulls everything first. Where the account has a record of
   * that id, it stays as it is, and the guest's is listed. Killed, or called again, it goes on where it was. It needs the
   * key where a field is encrypted (`vault_locked`), and the server where there is one (`offline`).
   */
  adoptGuestData(options?: AdoptGuestDataOptions): Promise<GuestData>;
  /**
   * Deletes what a guest left on this device and nobody took over, with what was listed as existing. Gives how many
   * records that were.
   */
  discardGuestData(): Promise<number>;
  /**
   * Makes a record its author's alone (`private`) or everybody's in its space (`space`). Only its author may. Encrypted
   * fields are sealed or become plaintext by that; the others lose the record, or get it whole.
   */
  setVisibility(table: string, id: string, visibility: Visibility): Write<void>;
  /**
   * Moves a record to another space and gives its id there, the same one each time. Its encrypted fields are sealed there,
   * or become plaintext, as the space's type says; edits that other devices made meanwhile follow it.
   */
  moveToSpace(table: string, id: string, spaceId: string): Write<string>;
  /**
   * Locks the vault in all tabs and closes; with `wipe` also deletes the database. Live queries show nothing from then on: their
   * error is `closed`.
   */
  signOut(options?: WipeOptions): Promise<void>;
  /** Closes: calls in flight end, later ones reject with `closed`. */
  close(): void;
  /** Deletes the database; refuses with `unsent_changes` while the server lacks changes, unless forced. */
  destroy(options?: { readonly force?: boolean }): Promise<void>;
}

/** Who sees a record of a space: its author alone, or all members. */
export type Visibility = 'private' | 'space';

/** What the person agreed to. */
export interface SetSpacesOptions {
  /** Ids of spaces that were the user's own and may be shared: others read what is written there. */
  readonly confirmTypeChange?: readonly string[];
}

/** How a guest's data are taken over. */
export interface AdoptGuestDataOptions {
  /** Say what it would come to, as far as it is known on this device; nothing is written, and neither key nor server is needed. */
  readonly dryRun?: boolean;
}

/** What became of a guest's data, or would. */
export interface GuestData {
  /** How many records are the user's now. */
  readonly adopted: number;
  /** How many records were dropped that the app had made by itself, by a `system` actor, and nobody touched. */
  readonly dropped: number;
  /** The guest's records whose ids the account has. They are kept beside those, and listed again, until `discardGuestData`. */
  readonly existing: readonly {
    readonly table: string;
    readonly id: string;
    readonly row: Readonly<Record<string, unknown>>;
  }[];
  /** Records that stay the guest's because they cannot be sent, and why. */
  readonly left: readonly {
    readonly table: string;
    readonly id: string;
    readonly code: ManaErrorCode;
    readonly message: string;
  }[];
}

/** What becomes of the data of the user who leaves. */
export interface WipeOptions {
  /** Delete it from this device. */
  readonly wipe?: boolean;
  /** Delete it even if the server lacks changes. */
  readonly force?: boolean;
}
