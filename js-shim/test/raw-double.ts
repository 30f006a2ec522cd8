/** A hand-made engine behind the raw border: just enough to watch what the shim does with it. */

import type { Loader } from '../src/connection.js';
import { openWith } from '../src/engine.js';
import type {
  Glue,
  RawCallback,
  RawCheck,
  RawCounted,
  RawDeadLetter,
  RawEngine,
  RawExplanation,
  RawFound,
  RawHost,
  RawImportHow,
  RawOptions,
  RawQuarantineCount,
  RawQuery,
  RawStatus,
  RawTx,
  RawWant,
  RawWriteKind,
} from '../src/raw.js';
import type { Engine, EngineOptions, Table } from '../src/types.js';
import type { NewKey, PassphraseWrapped } from '../src/vault-types.js';

type Row = Record<string, unknown>;
type Answer = { rows?: object[]; error?: unknown };

/** The module shared by all instances of one double: nothing in it is ever run. */
const emptyModule = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));

/** What an engine error looks like when it comes over the border. */
export function rawError(code: string, retryable = false, details: Row | null = null): Error {
  return Object.assign(new Error(`raw ${code}`), { code, retryable, details });
}

/** One instance: rows by table and id, and a record of the calls. */
export class InstanceDouble implements RawEngine {
  readonly options: RawOptions;
  readonly host: RawHost;
  readonly world: World;
  readonly calls: unknown[][] = [];
  readonly subscriptions = new Map<number, { query: RawQuery; callback: RawCallback }>();
  readonly transactions: TxDouble[] = [];
  dead = false;
  #ids = 0;

  constructor(world: World, options: RawOptions, host: RawHost) {
    this.world = world;
    this.options = options;
    this.host = host;
  }

  /** What a Rust panic looks like from outside: the hook speaks, the call traps, and nothing settles any more. */
  panic(): never {
    this.dead = true;
    this.host.panicked('planted');
    throw new WebAssembly.RuntimeError('unreachable');
  }

  begin(mode: 'r' | 'rw', tables: string[], actor: object | null): RawTx {
    this.#called('begin', mode, tables, actor);
    const tx = new TxDouble(this);
    this.transactions.push(tx);
    return tx;
  }

  write(kind: RawWriteKind, table: string, items: unknown[], actor: object | null) {
    this.#called('write', kind, table, items, actor);
    return this.later(() => ({ ...this.world.apply(kind, table, items), ticket: 7 }));
  }

  read(query: RawQuery) {
    this.#called('read', query);
    return this.later(() => this.world.rows(query));
  }

  find(query: RawQuery, want: RawWant) {
    this.#called('find', query, want);
    return this.later(() => this.world.found(query, want));
  }

  explain(query: RawQuery): RawExplanation {
    this.#called('explain', query);
    return { parts: [], sort: null, distinct: false, text: 'Reads.' };
  }

  count(query: RawQuery) {
    this.#called('count', query);
    return this.later(() => this.world.rows(query).length);
  }

  getMany(table: string, keys: unknown[]) {
    this.#called('getMany', table, keys);
    return this.later(() => this.world.get(table, keys));
  }

  subscribe(query: RawQuery, callback: RawCallback): number {
    this.#called('subscribe', query);
    this.#ids += 1;
    this.subscriptions.set(this.#ids, { query, callback });
    return this.#ids;
  }

  unsubscribe(id: number): void {
    this.#called('unsubscribe', id);
    this.subscriptions.delete(id);
  }

  /** Answers every subscription, as after a commit. */
  emit(answer: (query: RawQuery) => Answer = (query) => ({ rows: this.world.rows(query) })): void {
    for (const { query, callback } of this.subscriptions.values()) {
      const { rows, error } = answer(query);
      callback(rows && { rows, ...this.world.planted }, error as never);
    }
  }

  syncStart(): void {
    this.#called('syncStart');
  }
  syncStop(): void {
    this.#called('syncStop');
  }
  ensure(app: string): Promise<void> {
    this.#called('ensure', app);
    return this.later(() => {
      if (!(app in this.options.apps)) throw rawError('unknown_app', false, { app });
    });
  }
  resync(): Promise<void> {
    this.#called('resync');
    return Promise.resolve();
  }

  check(): Promise<RawCheck> {
    this.#called('check');
    const sum = { records: 1, hash: '0f'.repeat(32) };
    const table = { app: 'todo', table: 'tasks', local: sum, server: sum, equal: true };
    return this.later(() => ({
      state: 'equal',
      equal: true,
      tables: [table, { ...table, spaceId: 'family' }],
      leftOut: 2,
    }));
  }

  syncNow(): Promise<void> {
    this.#called('syncNow');
    return this.later(() => undefined);
  }
  syncStatus(): RawStatus {
    return { state: 'local', pending: 0, lastSyncedAt: null, error: null, progress: [] };
  }
  whenSynced(ticket: number): Promise<void> {
    this.#called('whenSynced', ticket);
    return this.later(() => undefined);
  }
  unsentCount(): Promise<number> {
    return this.later(() => 3);
  }
  deadLetters(): Promise<RawDeadLetter[]> {
    const change = { app: 'todo', table: 'tasks', id: 'a', op: 'update' as const, spaceId: 's2', fields: ['title'] };
    const refused = { code: 'read_only', message: 'the user may only read there', at: '2026-03-01T12:00:00.000Z' };
    return this.later(() => [{ id: 'e', ...refused, changes: [change], waiting: 1, retryable: true }]);
  }
  retryLetter(id: string): Promise<void> {
    this.#called('retryLetter', id);
    return this.later(() => {
      if (id !== 'e') throw rawError('not_found', false, { id });
    });
  }
  discardLetter(id: string): Promise<void> {
    this.#called('discardLetter', id);
    return this.later(() => {
      if (id !== 'e') throw rawError('not_found', false, { id });
    });
  }
  quarantine(): Promise<RawQuarantineCount[]> {
    return this.later(() => [{ code: 'schema_too_new', count: 3, dropped: 1 }]);
  }
  setUser(user: RawOptions['user']): Promise<void> {
    this.#called('setUser', user);
    return this.later(() => undefined);
  }
  setSpaces(spaces: RawOptions['spaces'], confirmed: string[]): Promise<void> {
    this.#called('setSpaces', spaces, confirmed);
    return this.later(() => undefined);
  }
  unlock(by: object): Promise<void> {
    this.#called('unlock', by);
    return this.later(() => undefined);
  }
  lock(): void {
    this.#called('lock');
  }
  rotate(key: Uint8Array, persist: (key: NewKey) => unknown) {
    this.#called('rotate', key, persist);
    const kept = {
      recoveryCode: 'code',
      recoveryWrappedMk: 'wrapped',
      recoveryIv: 'iv',
      generation: 2,
      keyId: '01234567',
    };
    return this.later(() => persist(kept) as undefined);
  }
  vaultUsed(): void {
    this.#called('vaultUsed');
  }
  createRecoveryCode() {
    return this.later(() => ({ recoveryCode: 'code', recoveryWrappedMk: 'wrapped', recoveryIv: 'iv' }));
  }
  createPassphraseWrap(normalized: string): Promise<PassphraseWrapped> {
    this.#called('createPassphraseWrap', normalized);
    return this.later(() => ({ kdf: 'PBKDF2-SHA256', iterations: 600_000, salt: '', iv: '', ciphertext: '' }));
  }
  unlockedInTime(): Promise<boolean> {
    this.#called('unlockedInTime');
    return this.later(() => this.world.unlocks);
  }
  setActiveSpace(id: string | null): void {
    this.#called('setActiveSpace', id);
  }
  adoptGuestData(dry: boolean) {
    this.#called('adoptGuestData', dry);
    const row = { id: 'a', title: 'of the guest', dueDate: '2026-03-01T12:00:00.000Z' };
    return this.later(() => ({ adopted: 2, dropped: 1, existing: [{ table: 'tasks', id: 'a', row }], left: [] }));
  }
  discardGuestData() {
    this.#called('discardGuestData');
    return this.later(() => 3);
  }
  exportPage(user: string | undefined, table: string, spaces: string[], after: string | undefined, limit: number) {
    this.#called('exportPage', user, table, spaces, after, limit);
    return this.later(() => ({ lines: '{"id":"a"}\n', count: 1, next: null, unreadable: [] }));
  }
  exportCount(user: string | undefined, table: string, spaces: string[]) {
    this.#called('exportCount', user, table, spaces);
    return this.later(() => 1);
  }
  importPage(table: string, rows: string, how: RawImportHow) {
    this.#called('importPage', table, rows, how);
    return this.later(() => ({ new: 1, changed: 0, unchanged: 0, deleted: 0, renamed: [], left: [] }));
  }
  setVisibility(table: string, id: string, visibility: string) {
    this.#called('setVisibility', table, id, visibility);
    return this.later(() => ({ keys: [id], count: 1, created: 0, ticket: 7 }));
  }
  moveToSpace(table: string, id: string, spaceId: string) {
    this.#called('moveToSpace', table, id, spaceId);
    return this.later(() => ({ keys: [`${id}-there`, id], count: 2, created: 0, ticket: 8 }));
  }
  restoreConflict(conflict: unknown): Promise<void> {
    this.#called('restoreConflict', conflict);
    return this.later(() => undefined);
  }
  inspect(table: string, key: unknown) {
    this.#called('inspect', table, key);
    return this.later(() => ({ record: null, log: [] }));
  }
  log(limit: number): Promise<object[]> {
    this.#called('log', limit);
    return this.later(() => []);
  }
  close(): void {
    this.#called('close');
  }
  destroy(force: boolean): Promise<void> {
    this.#called('destroy', force);
    return this.later(() => undefined);
  }

  /** The calls of that name, without it. */
  callsOf(name: string): unknown[][] {
    return this.calls.filter(([called]) => called === name).map(([, ...rest]) => rest);
  }

  #called(...call: unknown[]): void {
    if (this.dead) throw new Error(`${call[0]} was called on a dead instance`);
    this.calls.push(call);
    this.world.before?.(this, String(call[0]), call.slice(1));
  }

  /** Answers in a later turn, unless the instance is dead by then. */
  later<T>(value: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      setTimeout(() => {
        if (this.dead || this.world.silent) return;
        try {
          resolve(value());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

/** A transaction: its writes reach the world when it commits. */
export class TxDouble implements RawTx {
  readonly writes: [RawWriteKind, string, unknown[]][] = [];
  state: 'open' | 'committed' | 'aborted' = 'open';
  /** What the module calls when the code of the transaction awaits something else. */
  abandon = (): void => undefined;
  readonly #instance: InstanceDouble;

  constructor(instance: InstanceDouble) {
    this.#instance = instance;
  }

  getMany(table: string, keys: unknown[]) {
    this.#called('getMany', [table, keys]);
    return this.#instance.later(() => this.#instance.world.get(table, keys));
  }
  read(query: RawQuery) {
    this.#called('read', [query]);
    return this.#instance.later(() => this.#instance.world.rows(query));
  }
  find(query: RawQuery, want: RawWant) {
    this.#called('find', [query, want]);
    return this.#instance.later(() => this.#instance.world.found(query, want));
  }
  explain(query: RawQuery) {
    this.#called('explain', [query]);
    return this.#instance.explain(query);
  }
  count(query: RawQuery) {
    this.#called('count', [query]);
    return this.#instance.later(() => this.#instance.world.rows(query).length);
  }
  write(kind: RawWriteKind, table: string, items: unknown[]): Promise<RawCounted> {
    this.#called('write', [kind, table, items]);
    this.writes.push([kind, table, items]);
    return this.#instance.later(() => ({ keys: keysOf(kind, items), count: items.length, created: 0 }));
  }
  #called(call: string, args: unknown[]): void {
    this.#instance.world.before?.(this.#instance, `tx.${call}`, args);
  }
  onAbandoned(call: () => void): void {
    this.abandon = call;
  }
  commit() {
    this.state = 'committed';
    return this.#instance.later(() => {
      for (const [kind, table, items] of this.writes) this.#instance.world.apply(kind, table, items);
      return { keys: [], count: this.writes.length, created: 0, ticket: 9 };
    });
  }
  abort(): void {
    this.state = 'aborted';
  }
}

/** What outlives instances: the stored rows, and what the test plants. */
export class World implements Loader {
  readonly instances: InstanceDouble[] = [];
  readonly tables = new Map<string, Map<unknown, Row>>();
  /** Called before each raw call: throws or panics as the test wants. */
  before: ((instance: InstanceDouble, call: string, args: unknown[]) => void) | undefined;
  /** Called before each opening of the database. */
  opening: ((host: RawHost) => void) | undefined;
  /** Parts of answers beside the rows. */
  planted: Omit<RawFound, 'rows'> = {};
  /** Whether a locked vault is unlocked before a write gives up. */
  unlocks = false;
  /** No promise of any instance settles. */
  silent = false;

  /** Tells that something was thrown through the frames of the module that was made last. */
  trap: (error: unknown) => void = () => {};

  get instance(): InstanceDouble {
    const last = this.instances.at(-1);
    if (!last) throw new Error('no instance was opened');
    return last;
  }

  async loadModule(): Promise<WebAssembly.Module> {
    return emptyModule;
  }

  createInstance(): Glue {
    return {
      initSync: () => undefined,
      onTrap: (tell) => {
        this.trap = tell;
      },
      version: () => 'double',
      openEngine: async (options, host) => {
        this.opening?.(host);
        const instance = new InstanceDouble(this, options, host);
        this.instances.push(instance);
        return instance;
      },
    };
  }

  /** Rows of a table in the order of their ids, as new objects each time. */
  rows(query: RawQuery): Row[] {
    const all = [...(this.tables.get(query.table)?.values() ?? [])].map((row) => structuredClone(row));
    all.sort((a, b) => String(a.id).localeCompare(String(b.id)));
    if (query.reverse) all.reverse();
    const end = query.limit === null ? undefined : query.offset + query.limit;
    return all.slice(query.offset, end);
  }

  /** Rows, under their ids unless other keys are planted. */
  found(query: RawQuery, want: RawWant): RawFound {
    const rows = this.rows(query);
    const ids = rows.map((row) => row.id);
    return {
      ...(want.rows && { rows }),
      ...(want.keys && { keys: ids }),
      ...(want.primaryKeys && { primaryKeys: ids }),
      ...this.planted,
    };
  }

  get(table: string, keys: unknown[]): (Row | undefined)[] {
    return keys.map((key) => structuredClone(this.tables.get(table)?.get(key)));
  }

  apply(kind: RawWriteKind, table: string, items: unknown[]): RawCounted {
    const rows = this.tables.get(table) ?? new Map<unknown, Row>();
    this.tables.set(table, rows);
    let created = 0;
    for (const item of items) {
      if (kind === 'delete') rows.delete(item);
      else if (kind === 'update' || kind === 'updateFields' || kind === 'upsert') {
        const [key, changes] = item as [unknown, Row];
        if (!rows.has(key)) created += 1;
        rows.set(key, { ...rows.get(key), ...structuredClone(changes) });
      } else if (kind === 'addAt' || kind === 'putAt') {
        const [key, row] = item as [unknown, Row];
        rows.set(key, structuredClone(row));
      } else if (kind === 'add' || kind === 'put') rows.set((item as Row).id, structuredClone(item as Row));
    }
    return { keys: keysOf(kind, items), count: items.length, created };
  }
}

function keysOf(kind: RawWriteKind, items: unknown[]): unknown[] {
  return items.map((item) => (kind === 'add' || kind === 'put' ? (item as Row).id : item));
}

/** Options with a synced table that has dates, and a local one. */
export const options: EngineOptions = {
  name: 'test',
  schema: { version: 1, stores: { tasks: 'id, projectId, [spaceId+dueDate], dueDate', drafts: '++id', beside: '' } },
  apps: { todo: { tables: { tasks: { dates: ['dueDate'] } } } },
  user: { id: 'u1' },
};

/** A world with an engine in it, and its table `tasks`. */
export async function opened<T extends object>(): Promise<{ world: World; engine: Engine; tasks: Table<T> }> {
  const world = new World();
  const engine = await openWith(world, options);
  return { world, engine, tasks: engine.table<T>('tasks') };
}

/** Lets all microtasks run that are due, and those they queue. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await null;
}
