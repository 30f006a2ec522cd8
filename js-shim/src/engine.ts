/** `openEngine` and the engine it gives. */

import { EngineAccess } from './access.js';
import { Connection, type ConnectionHandlers, type Loader } from './connection.js';
import { invalidArgument, ManaError } from './errors.js';
import { Emitter } from './events.js';
import { tableInfo } from './fields.js';
import { LiveQueries } from './live.js';
import { rawOptions, rawSpaces, rawUser } from './options.js';
import { writePromise } from './outcome.js';
import { plain } from './proxies.js';
import type { RawNetwork, RawOptions, RawStatus } from './raw.js';
import { EngineSync } from './sync.js';
import { AccessTable } from './table.js';
import { runIn } from './transaction.js';
import type {
  Actor,
  Conflict,
  Conflicts,
  Engine,
  EngineEvents,
  EngineOptions,
  Inspector,
  Key,
  PrimaryKey,
  SetSpacesOptions,
  Space,
  Sync,
  Table,
  Transaction,
  TransactionMode,
  User,
  WipeOptions,
  Write,
  Writer,
} from './types.js';
import { EngineVault, isLocked, type VaultReport } from './vault.js';
import type { Vault } from './vault-types.js';

/** Opens the database with instances from `loader`; sync starts when the options name a server. */
export async function openWith(loader: Loader, options: EngineOptions): Promise<Engine> {
  const raw = rawOptions(options);
  const events = new Emitter<EngineEvents>();
  for (const [name, handler] of Object.entries(options.on ?? {})) {
    events.on(name as keyof EngineEvents, handler as (detail: unknown) => void);
  }
  const live = new LiveQueries();
  const parts: { connection?: Connection } = {};
  const sync = new EngineSync(() => parts.connection as Connection);
  const vault = new EngineVault(() => parts.connection as Connection);
  const connection = await Connection.open(loader, options.module, raw, {
    network: network(options),
    event: (name, detail) => {
      if (name === 'status') sync.report(detail as RawStatus);
      else if (name === 'vault') vault.report(detail as VaultReport);
      else events.emit(name as keyof EngineEvents, detail as never);
    },
    upgrade: upgrader(options, raw),
    died: (error) => live.died(error),
    failed: (error) => live.failed(error),
    replaced: (instance) => {
      live.restart(false);
      vault.report({ locked: true, outdated: false });
      sync.resume(instance);
    },
  });
  parts.connection = connection;
  if (raw.vaultLockAfterMs > 0) vault.watchUse();
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
      if (typeof body !== 'function') throw invalidArgument('A transaction takes a function.');
      return this.#access.transaction(mode, names, (access, abort) =>
        body({ table: (name) => new AccessTable(access, tableName(name)), abort }),
      );
    };
    return writePromise(outcome());
  }

  as(actor: Actor): Writer {
    return new ActorWriter(this.#connection, this.#live, plain(actor) as Actor);
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

  constructor(connection: Connection, live: LiveQueries, events: Emitter<EngineEvents>, sync: Sync, vault: Vault) {
    super(connection, live, null);
    this.#connection = connection;
    this.#live = live;
    this.#events = events;
    this.sync = sync;
    this.vault = vault;
    this.conflicts = {
      subscribe: (run) => events.on('conflict', run),
      restore: (conflict: Conflict) => connection.run((raw) => raw.restoreConflict(plain(conflict))),
    };
    this.inspector = {
      record: (table: string, key: Key) => connection.run((raw) => raw.inspect(table, plain(key))),
      log: (limit = 100) => connection.run((raw) => raw.log(limit)),
    };
  }

  isLocked(row: object): boolean {
    return isLocked(row);
  }

  on<Name extends keyof EngineEvents>(name: Name, handler: (detail: EngineEvents[Name]) => void): () => void {
    return this.#events.on(name, handler);
  }

  async setUser(user: User | null, { wipe = false, force = false }: WipeOptions = {}): Promise<void> {
    const next = rawUser(user);
    try {
      await this.#connection.run((raw) => raw.setUser(next));
      this.#connection.options.user = next;
    } catch (error) {
      if (!wipe || !(error instanceof ManaError) || error.code !== 'other_user') throw error;
      // The spaces were the former user's.
      const change = { user: next, spaces: [], activeSpaceId: null };
      await this.#connection.recreate(force, change);
    }
    this.#live.restart(true);
  }

  async setSpaces(spaces: readonly Space[], { confirmTypeChange = [] }: SetSpacesOptions = {}): Promise<void> {
    const next = rawSpaces(spaces);
    const confirmed = [...confirmTypeChange];
    await this.#connection.run((raw) => raw.setSpaces(next, confirmed));
    this.#connection.options.spaces = next;
    this.#live.restart(false);
  }

  async setActiveSpace(spaceId: string | null): Promise<void> {
    await this.#connection.run(async (raw) => raw.setActiveSpace(spaceId));
    this.#connection.options.activeSpaceId = spaceId;
    this.#live.restart(true);
  }

  async signOut({ wipe = false, force = false }: WipeOptions = {}): Promise<void> {
    if (wipe) await this.destroy({ force });
    else this.close();
  }

  close(): void {
    this.#live.close();
    this.#connection.close();
  }

  async destroy({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    await this.#connection.destroy(force);
    this.#live.close();
  }
}

/** Runs an upgrade of the app's in the transaction that notes its version. */
function upgrader({ schema }: EngineOptions, raw: RawOptions): ConnectionHandlers['upgrade'] {
  return async (instance, version, tx) => {
    const info = (name: string) => tableInfo(raw, name);
    const tables = Object.keys(raw.schema.stores);
    await runIn({ instance, mode: 'rw', tables, actor: null, info }, tx, (access, abort) =>
      schema.upgrades?.[version]?.({ table: (name) => new AccessTable(access, name), abort }),
    );
  };
}

function tableName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw invalidArgument("A table's name is a string.");
}

function tableNames(tables: unknown): string[] {
  if (!Array.isArray(tables)) return [tableName(tables)];
  if (tables.length === 0) throw invalidArgument('A transaction needs at least one table.');
  return tables.map(tableName);
}

function network({ sync }: EngineOptions): RawNetwork {
  return {
    getToken: async (reason) => (await sync?.getToken({ reason })) ?? null,
    fetch: sync?.fetch ?? null,
    webSocket: sync?.webSocket ?? null,
  };
}
