/** `openEngine` and the engine it gives. */

import { EngineAccess, syncWaiter } from './access.js';
import type { Archives } from './archive-types.js';
import {
  flagsArgument,
  functionArgument,
  isList,
  numberArgument,
  objectArgument,
  optionsArgument,
  tableName,
  textArgument,
  textsArgument,
  wordArgument,
} from './arguments.js';
import { Connection, type ConnectionHandlers, type Loader } from './connection.js';
import { invalidArgument, ManaError, readArgument } from './errors.js';
import { Emitter, eventName } from './events.js';
import { revive, tableInfo } from './fields.js';
import { LiveQueries } from './live.js';
import { readsFrom } from './live-function.js';
import { rawNetwork, rawOptions, rawSpaces, rawUser } from './options.js';
import { writePromise } from './outcome.js';
import { plain } from './proxies.js';
import type { RawEngine, RawOptions, RawStatus, RawWritten } from './raw.js';
import { EngineSync } from './sync.js';
import { AccessTable } from './table.js';
import { runIn } from './transaction.js';
import type {
  Actor,
  AdoptGuestDataOptions,
  Conflict,
  Conflicts,
  Engine,
  EngineEvents,
  EngineOptions,
  GuestData,
  Inspector,
  Key,
  PrimaryKey,
  SetSpacesOptions,
  Space,
  Sync,
  Table,
  TableChange,
  Transaction,
  TransactionMode,
  User,
  Visibility,
  WipeOptions,
  Write,
  Writer,
} from './types.js';
import { EngineVault, isLocked, type VaultReport } from './vault.js';
import type { Vault } from './vault-types.js';

/** What an instance knows of the spaces of one whose spaces are not known. */
const nobodys = { spaces: [], activeSpaceId: null };

/** Opens the database with instances from `loader`; sync starts when the options name a server. */
export async function openWith(loader: Loader, options: EngineOptions): Promise<Engine> {
  const raw = rawOptions(options);
  const events = new Emitter<EngineEvents>();
  for (const [name, handler] of readArgument(() => Object.entries(objectArgument(options.on ?? {}, 'on')))) {
    if (handler !== undefined) events.on(eventName(name), handler as (detail: unknown) => void);
  }
  const live = new LiveQueries();
  const parts: { connection?: Connection } = {};
  const sync = new EngineSync(() => parts.connection as Connection);
  const vault = new EngineVault(() => parts.connection as Connection);
  const connection = await Connection.open(loader, options.module, raw, {
    network: rawNetwork(options),
    event: (name, detail) => {
      if (name === 'status') sync.report(detail as RawStatus);
      else if (name === 'vault') {
        vault.report(detail as VaultReport);
        live.rerun((detail as VaultReport).locked);
      } else {
        if (name === 'change') live.changed((detail as readonly TableChange[]).map(({ table }) => table));
        else if (name === 'spaces') live.rerun();
        // Its handlers take an object apart.
        const told = name === 'update-required' ? (detail ?? {}) : detail;
        events.emit(name as keyof EngineEvents, told as never);
      }
      if (name === 'versionchange') events.emitOnce('closed', null);
    },
    upgrade: upgrader(options, raw),
    died: (error) => live.died(error),
    failed: (error) => live.failed(error),
    replaced: (instance) => {
      // It begins without a key: sealed rows tell by themselves, what functions made of opened ones does not.
      live.restart(false, raw.encryption !== null);
      vault.report({ locked: true, outdated: false });
      sync.resume(instance);
    },
  });
  parts.connection = connection;
  if (raw.vaultIdleLockMs > 0) vault.watchUse();
  live.attach(connection);
  try {
    if (raw.sync) sync.start();
    if (connection.instance) sync.report(connection.instance.call((instance) => instance.syncStatus()));
  } catch (error) {
    connection.close();
    throw error;
  }
  return new OpenEngine(connection, live, events, sync, vault);
}

/** Calls from one actor, or from the user when it is `null`. */
class ActorWriter implements Writer {
  readonly #connection: Connection;
  readonly #live: LiveQueries;
  readonly #access: EngineAccess;

  constructor(connection: Connection, live: LiveQueries, actor: Actor | null) {
    this.#connection = connection;
    this.#live = live;
    this.#access = new EngineAccess(connection, live, actor);
    readsFrom(this, this.#access);
  }

  table<T extends object = Record<string, unknown>>(name: string): Table<T> {
    return new AccessTable<T, PrimaryKey<T>>(this.#access, tableName(name));
  }

  transaction<R>(
    mode: TransactionMode,
    tables: string | readonly string[],
    body: (tx: Transaction) => Promise<R> | R,
  ): Write<R> {
    const outcome = async () => {
      const names = tableNames(tables);
      if (mode !== 'r' && mode !== 'rw') throw invalidArgument("A transaction's mode is 'r' or 'rw'.");
      functionArgument(body, 'What a transaction runs');
      return this.#access.transaction(mode, names, (access, abort) =>
        body({ table: (name) => new AccessTable(access, tableName(name)), abort }),
      );
    };
    return writePromise(outcome());
  }

  as(actor: Actor): Writer {
    const own = readArgument(() => plain(objectArgument(actor, 'An actor'))) as Actor;
    wordArgument(own.kind, ['user', 'ai', 'system'], "An actor's kind");
    textArgument(own.principalId, "An actor's principalId");
    return new ActorWriter(this.#connection, this.#live, own);
  }
}

class OpenEngine extends ActorWriter implements Engine {
  readonly sync: Sync;
  readonly vault: Vault;
  readonly conflicts: Conflicts;
  readonly inspector: Inspector;
  readonly #connection: Connection;
  readonly #live: LiveQueries;
  readonly #events: Emitter<EngineEvents>;
  readonly archive: Archives;

  constructor(connection: Connection, live: LiveQueries, events: Emitter<EngineEvents>, sync: Sync, vault: Vault) {
    super(connection, live, null);
    this.#connection = connection;
    this.#live = live;
    this.#events = events;
    this.sync = sync;
    this.vault = vault;
    // Few pages ever need it: it is loaded with its first use.
    const archives = async () => new (await import('./archive.js')).EngineArchives(() => connection);
    this.archive = {
      export: async (options) => (await archives()).export(options),
      inspect: async (file) => (await archives()).inspect(file),
      import: async (file, options) => (await archives()).import(file, options),
    };
    this.conflicts = {
      subscribe: (run) => events.on('conflict', run),
      restore: async (conflict: Conflict) => {
        const own = readArgument(() => plain(objectArgument(conflict, 'A conflict')));
        await connection.run((raw) => raw.restoreConflict(own));
      },
    };
    this.inspector = {
      record: async (table: string, key: Key) => {
        const [name, own] = [tableName(table), readArgument(() => plain(key))];
        return connection.run((raw) => raw.inspect(name, own));
      },
      log: async (limit = 100) => {
        const most = numberArgument(limit, 'limit');
        return connection.run((raw) => raw.log(most));
      },
    };
  }

  isLocked(row: object): boolean {
    return readArgument(() => isLocked(objectArgument(row, 'A row')));
  }

  on<Name extends keyof EngineEvents>(name: Name, handler: (detail: EngineEvents[Name]) => void): () => void {
    return this.#events.on(eventName(name), handler);
  }

  async setUser(user: User | null, options?: WipeOptions): Promise<void> {
    const { wipe = false, force = false } = flagsArgument(options, 'The options of setUser');
    const next = readArgument(() => rawUser(user));
    try {
      await this.#connection.run((raw) => raw.setUser(next));
      const { options } = this.#connection;
      // The spaces of one who signed out are no guest's.
      if (next === null && options.user) Object.assign(options, nobodys);
      options.user = next;
    } catch (error) {
      if (!wipe || !(error instanceof ManaError) || error.code !== 'other_user') throw error;
      // The spaces were the former user's.
      await this.#connection.recreate(force, { user: next, ...nobodys });
    }
    this.#live.restart(true);
  }

  async setSpaces(spaces: readonly Space[], options?: SetSpacesOptions): Promise<void> {
    const { confirmTypeChange = [] } = optionsArgument(options, 'The options of setSpaces');
    const next = readArgument(() => rawSpaces(spaces));
    const confirmed = textsArgument(confirmTypeChange, 'confirmTypeChange');
    await this.#connection.run((raw) => raw.setSpaces(next, confirmed));
    this.#connection.options.spaces = next;
    this.#live.restart(false);
  }

  async setActiveSpace(spaceId: string | null): Promise<void> {
    if (spaceId !== null) textArgument(spaceId, 'The id of a space');
    await this.#connection.run(async (raw) => raw.setActiveSpace(spaceId));
    this.#connection.options.activeSpaceId = spaceId;
    this.#live.restart(true);
  }

  async adoptGuestData(options?: AdoptGuestDataOptions): Promise<GuestData> {
    const { dryRun = false } = flagsArgument(options, 'The options of adoptGuestData');
    const data = await this.#connection.run((raw) => raw.adoptGuestData(dryRun));
    for (const { table, row } of data.existing) revive(tableInfo(this.#connection.options, table), row);
    return data;
  }

  discardGuestData(): Promise<number> {
    return this.#connection.run((raw) => raw.discardGuestData());
  }

  setVisibility(table: string, id: string, visibility: Visibility): Write<void> {
    return this.#written(
      (raw) =>
        raw.setVisibility(
          tableName(table),
          textArgument(id, 'The id of a record'),
          wordArgument(visibility, ['private', 'space'], 'A visibility'),
        ),
      () => undefined,
    );
  }

  moveToSpace(table: string, id: string, spaceId: string): Write<string> {
    return this.#written(
      (raw) =>
        raw.moveToSpace(
          tableName(table),
          textArgument(id, 'The id of a record'),
          textArgument(spaceId, 'The id of a space'),
        ),
      ({ keys }) => keys[0] as string,
    );
  }

  #written<V>(call: (raw: RawEngine) => Promise<RawWritten>, value: (written: RawWritten) => V): Write<V> {
    const outcome = this.#connection.with(async (instance) => {
      const written = await instance.run(async (raw) => call(raw));
      return { value: value(written), whenSynced: syncWaiter(instance, written.ticket) };
    });
    return writePromise(outcome);
  }

  async signOut(options?: WipeOptions): Promise<void> {
    const { wipe = false, force = false } = flagsArgument(options, 'The options of signOut');
    if (wipe) return this.destroy({ force });
    this.vault.lock();
    this.#live.close(true);
    this.close();
  }

  close(): void {
    if (this.#connection.closed) return;
    this.#live.close();
    this.#connection.close();
    this.#events.emitOnce('closed', null);
  }

  async destroy(options?: { readonly force?: boolean }): Promise<void> {
    const { force = false } = flagsArgument(options, 'The options of destroy');
    await this.#connection.destroy(force);
    this.#live.close(true);
    this.#events.emitOnce('closed', null);
  }
}

/** Runs an upgrade of the app's in the transaction that notes its version. */
function upgrader({ schema }: EngineOptions, raw: RawOptions): ConnectionHandlers['upgrade'] {
  return async (instance, version, tx) => {
    const info = (name: string) => tableInfo(raw, name);
    const tables = Object.keys(raw.schema.stores);
    await runIn({ instance, mode: 'rw', tables, actor: null, info }, tx, (access, abort) =>
      schema.upgrades?.[version]?.({ table: (name) => new AccessTable(access, tableName(name)), abort }),
    );
  };
}

function tableNames(tables: unknown): string[] {
  if (!isList(tables)) return [tableName(tables)];
  const names = textsArgument(tables as string[], 'the tables of a transaction');
  if (names.length === 0) throw invalidArgument('A transaction needs at least one table.');
  return names;
}
