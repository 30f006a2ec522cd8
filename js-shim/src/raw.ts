/** The border to the WASM module: what the generated glue offers and what it calls. Not part of the public surface. */

/** One instantiation of the engine's WASM module. */
export interface Glue {
  initSync(options: { module: WebAssembly.Module }): unknown;
  openEngine(options: RawOptions, host: RawHost): Promise<RawEngine>;
  version(): string;
  /** Has `tell` called with what was thrown through the module's own frames: the instance is done for. */
  onTrap(tell: (error: unknown) => void): void;
}

import type { ManaErrorCode } from './errors.js';
import type { QuarantineCode, Transport } from './types.js';
import type { NewKey, PassphraseWrapped, RecoveryUnlock } from './vault-types.js';

/** The options with every key present: absent values are `null`. */
export interface RawOptions {
  name: string;
  schema: { version: number; stores: Record<string, string>; upgrades: number[] };
  apps: Record<string, RawApp>;
  user: RawUser | null;
  /** `null`: those of the list that was set last. */
  spaces: RawSpace[] | null;
  activeSpaceId: string | null;
  sync: { url: string } | null;
  durability: 'relaxed' | 'strict';
  transports: Transport[];
  encryption: RawEncryption | null;
  vaultWaitMs: number;
  /** 0: never. */
  vaultIdleLockMs: number;
}

export interface RawEncryption {
  fields: Record<string, string[]>;
  /** 0: the app did not say. */
  format: number;
}

export interface RawApp {
  sync: 'eager' | 'lazy';
  schemaVersion: number;
  /** By version and table. */
  migrations: Record<string, Record<string, RawMigration>>;
  tables: Record<string, { dates: string[]; scope: 'space' | 'user'; syncName: string | null; aad: RawAad | null }>;
}

export interface RawMigration {
  rename: Record<string, string>;
  drop: string[];
  defaults: Record<string, unknown>;
}

export interface RawAad {
  table: string | null;
  fields: Record<string, string>;
}

export interface RawUser {
  id: string;
  displayName: string | null;
}

export interface RawSpace {
  id: string;
  type: string;
  role: string | null;
}

/** What an instance calls: none of these may throw. */
export interface RawHost {
  getToken(reason: 'start' | 'expired'): Promise<string | null>;
  event(name: string, detail: unknown): void;
  panicked(message: string): void;
  /** Runs the app's upgrade to `version` in `tx`, and ends it. */
  upgrade(version: number, tx: RawTx): Promise<void>;
  /** The app's own ways to the network; `null`: those of the platform. */
  fetch: typeof globalThis.fetch | null;
  webSocket: typeof globalThis.WebSocket | null;
  /** What stands in rows for sealed values that cannot be opened now. */
  sealed: object;
}

/** What of the host is the app's, whatever the instance. */
export type RawNetwork = Pick<RawHost, 'getToken' | 'fetch' | 'webSocket'>;

/** A thrown value: an `Error` with these properties of its own. */
export interface RawError extends Error {
  code: string;
  retryable: boolean;
  details: Record<string, unknown> | null;
}

/** Rows, keys, or pairs of a key and an object, by kind. */
export type RawWriteKind =
  | 'add'
  | 'addAt'
  | 'put'
  | 'putAt'
  | 'update'
  /** As `update`, by the names of fields: a dot in one leads nowhere. */
  | 'updateFields'
  | 'upsert'
  | 'delete'
  | 'restore'
  | 'purge'
  | 'clear'
  | 'clearToTombstones';

export interface RawQuery {
  table: string;
  /** Where to look; none: the whole table. */
  branches: RawBranch[];
  order: string | null;
  reverse: boolean;
  distinct: boolean;
  limit: number | null;
  offset: number;
  includeDeleted: boolean;
  acrossSpaces: boolean;
  /** Live answers come branch by branch, with what tells rows apart. */
  apart: boolean;
}

/** Rows that an index lists under some keys, or (`fields`) whose fields have those keys as values. */
export interface RawBranch {
  index: string | null;
  condition: string;
  keys: unknown[];
  /** Whether the bounds belong to `between` and `inAnyRange`. */
  lower: boolean;
  upper: boolean;
  fields: string[];
  reverse: boolean;
  limit: number | null;
  offset: number;
}

/** What is wanted of a query's answer. */
export interface RawWant {
  rows: boolean;
  keys: boolean;
  primaryKeys: boolean;
  branches: boolean;
  /** Branch by branch, each as its index lists it, with the ranks in the query's order. */
  apart: boolean;
}

/** What tells rows of several branches apart. */
export interface RawApart {
  readonly primaryKeys?: readonly unknown[];
  readonly branches?: readonly number[];
  /** Their places in the order that was asked for; `null` for what is left out of it. */
  readonly ranks?: readonly (number | null)[];
}

/** A list for each part that was wanted. */
export interface RawFound extends RawApart {
  readonly rows?: object[];
  readonly keys?: unknown[];
}

export interface RawExplanation {
  parts: { index: string | null; ranges: string[]; reverse: boolean; filters: string[]; why: string }[];
  sort: string | null;
  distinct: boolean;
  text: string;
}

export type RawRows = (object | undefined)[];

/** What a live query found, or what went wrong with it. */
export type RawCallback = (found: RawFound | undefined, error: RawError | undefined) => void;

/** `count` is the number of rows that really changed, `created` how many of them are new (of `upsert` alone). */
export interface RawCounted {
  keys: unknown[];
  count: number;
  created: number;
}

/** `ticket` is `null` when there is nothing to push. */
export interface RawWritten extends RawCounted {
  ticket: number | null;
}

export interface RawGuestData {
  adopted: number;
  dropped: number;
  existing: { table: string; id: string; row: Record<string, unknown> }[];
  left: { table: string; id: string; code: ManaErrorCode; message: string }[];
}

/** `at`: an ISO string. */
export interface RawDeadLetter {
  id: string;
  code: string;
  message: string;
  at: string;
  changes: {
    app: string;
    table: string;
    id: string;
    op: 'insert' | 'update' | 'delete';
    spaceId: string | null;
    fields: string[];
  }[];
  waiting: number;
  retryable: boolean;
}

export interface RawQuarantineCount {
  code: QuarantineCode;
  count: number;
  dropped: number;
}

export interface RawEngine {
  begin(mode: 'r' | 'rw', tables: string[], actor: object | null): RawTx;
  /** `bulk`: a row that is refused is named by its position, even if it is the only one. */
  write(kind: RawWriteKind, table: string, items: unknown[], actor: object | null, bulk: boolean): Promise<RawWritten>;
  read(query: RawQuery): Promise<object[]>;
  find(query: RawQuery, want: RawWant): Promise<RawFound>;
  explain(query: RawQuery): RawExplanation;
  count(query: RawQuery): Promise<number>;
  getMany(table: string, keys: unknown[]): Promise<RawRows>;
  subscribe(query: RawQuery, callback: RawCallback): number;
  unsubscribe(id: number): void;
  syncStart(): void;
  syncStop(): void;
  syncNow(): Promise<void>;
  ensure(app: string): Promise<void>;
  resync(): Promise<void>;
  check(): Promise<RawCheck>;
  syncStatus(): RawStatus;
  whenSynced(ticket: number): Promise<void>;
  unsentCount(): Promise<number>;
  deadLetters(): Promise<RawDeadLetter[]>;
  retryLetter(id: string): Promise<void>;
  discardLetter(id: string): Promise<void>;
  quarantine(): Promise<RawQuarantineCount[]>;
  setUser(user: RawUser | null): Promise<void>;
  setSpaces(spaces: RawSpace[], confirmed: string[]): Promise<void>;
  setActiveSpace(id: string | null): void;
  /** `dry`: says what it would come to. */
  adoptGuestData(dry: boolean): Promise<RawGuestData>;
  discardGuestData(): Promise<number>;
  /** `user`: who asked for it; for anybody else it is refused. */
  exportPage(
    user: string | undefined,
    table: string,
    spaces: string[],
    after: string | undefined,
    limit: number,
  ): Promise<RawExportPage>;
  exportCount(user: string | undefined, table: string, spaces: string[]): Promise<number>;
  /** `rows`: a list as JSON. */
  importPage(table: string, rows: string, how: RawImportHow): Promise<RawImportPage>;
  setVisibility(table: string, id: string, visibility: string): Promise<RawWritten>;
  /** The first of the keys is the record's id there. */
  moveToSpace(table: string, id: string, spaceId: string): Promise<RawWritten>;
  unlock(by: object): Promise<void>;
  lock(): void;
  rotate(key: Uint8Array, persist: (key: NewKey) => unknown): Promise<void>;
  vaultUsed(): void;
  createRecoveryCode(): Promise<RecoveryUnlock>;
  createPassphraseWrap(normalized: string): Promise<PassphraseWrapped>;
  /** Waits for the vault as a write does; gives whether it is unlocked. */
  unlockedInTime(): Promise<boolean>;
  restoreConflict(conflict: unknown): Promise<void>;
  inspect(table: string, key: unknown): Promise<{ record: object | null; log: object[] }>;
  log(limit: number): Promise<object[]>;
  close(): void;
  destroy(force: boolean): Promise<void>;
}

export interface RawExportPage {
  /** One row per line, as JSON. */
  lines: string;
  count: number;
  next: string | null;
  unreadable: { id: string; field: string }[];
}

export interface RawImportHow {
  /** Who asked for it; `null`: a guest. */
  user: string | null;
  overwrite: boolean;
  dryRun: boolean;
  spaceId: string | null;
  exportedAt: string;
  /** Left out: this app's own. */
  schemaVersion?: number;
}

export interface RawImportPage {
  new: number;
  changed: number;
  unchanged: number;
  deleted: number;
  renamed: { from: string; to: string }[];
  left: { id: string | null; position: number; code: ManaErrorCode; message: string }[];
}

export interface RawTx {
  getMany(table: string, keys: unknown[]): Promise<RawRows>;
  read(query: RawQuery): Promise<object[]>;
  find(query: RawQuery, want: RawWant): Promise<RawFound>;
  explain(query: RawQuery): RawExplanation;
  count(query: RawQuery): Promise<number>;
  write(kind: RawWriteKind, table: string, items: unknown[], bulk: boolean): Promise<RawCounted>;
  /** `call` is called when the transaction is aborted because its code awaits something else; must not throw. */
  onAbandoned(call: () => void): void;
  commit(): Promise<RawWritten>;
  abort(): void;
}

export interface RawCheck {
  state: 'equal' | 'different' | 'moving' | 'waiting';
  equal: boolean;
  tables: RawTableCheck[];
  leftOut: number;
}

export interface RawTableCheck {
  app: string;
  table: string;
  /** Missing for what is the user's own. */
  spaceId?: string;
  local: { records: number; hash: string };
  server: { records: number; hash: string };
  equal: boolean;
}

export interface RawStatus {
  state:
    | 'local'
    | 'syncing'
    | 'synced'
    | 'offline'
    | 'error'
    | 'needs-auth'
    | 'update-required'
    | 'storage-full'
    | 'billing-required';
  pending: number;
  lastSyncedAt: string | null;
  error: { code: string; message: string; retryAt: number | null } | null;
  progress: { app: string; done: number; total: number | null }[];
}
