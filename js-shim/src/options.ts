/** The engine's options in the form the WASM side reads: every key present, absent values `null`. */

import {
  functionArgument,
  listArgument,
  numberArgument,
  objectArgument,
  optionalText,
  textArgument,
  textsArgument,
  wordArgument,
} from './arguments.js';
import { invalidArgument, readArgument } from './errors.js';
import { plain } from './proxies.js';
import type { RawAad, RawApp, RawEncryption, RawMigration, RawNetwork, RawOptions, RawSpace, RawUser } from './raw.js';
import type {
  AppOptions,
  EngineOptions,
  Migration,
  Schema,
  Space,
  SyncOptions,
  TableOptions,
  Transport,
  User,
} from './types.js';
import type { BoundNames, EncryptionOptions } from './vault-types.js';

/** How the engine may hear of news, best first. */
const TRANSPORTS: readonly Transport[] = ['websocket', 'stream', 'poll'];

/** Fills in what was left out; what the values mean is checked by the engine. */
export function rawOptions(options: EngineOptions): RawOptions {
  return readArgument(() => {
    objectArgument(options, 'What openEngine takes');
    checkModule(options.module);
    // The options may come out of a reactive state, and are kept for later instances.
    return filledIn(plain({ ...options, module: undefined }) as EngineOptions);
  });
}

/** The app's own ways to the network. */
export function rawNetwork(options: EngineOptions): RawNetwork {
  return readArgument(() => networkOf(options.sync));
}

function networkOf(sync: EngineOptions['sync']): RawNetwork {
  return {
    getToken: async (reason) => (await sync?.getToken({ reason })) ?? null,
    fetch: sync?.fetch ?? null,
    webSocket: sync?.webSocket ?? null,
  };
}

function filledIn(options: EngineOptions): RawOptions {
  const { name, schema, apps, user, spaces, activeSpaceId, sync, durability, encryption, vault, transports } = options;
  if (textArgument(name, 'name') === '') throw invalidArgument('name must not be empty.');
  return {
    name,
    schema: rawSchema(schema),
    apps: mapped(apps ?? {}, 'apps', rawApp),
    user: rawUser(user ?? null),
    spaces: spaces ? rawSpaces(spaces) : null,
    activeSpaceId: optionalText(activeSpaceId, 'activeSpaceId'),
    sync: sync ? { url: syncUrl(sync) } : null,
    durability: wordArgument(durability ?? 'relaxed', ['relaxed', 'strict'], 'durability'),
    transports: rawTransports(transports ?? TRANSPORTS),
    encryption: encryption ? rawEncryption(encryption) : null,
    vaultWaitMs: numberArgument(objectArgument(vault ?? {}, 'vault').waitMs ?? 2_000, 'vault.waitMs'),
    vaultIdleLockMs: numberArgument(vault?.idleLockMs ?? 0, 'vault.idleLockMs'),
  };
}

function checkModule(module: EngineOptions['module']): void {
  const isModule = module instanceof URL || module instanceof WebAssembly.Module;
  if (module === undefined || typeof module === 'string' || isModule) return;
  throw invalidArgument('module must be an address or a WebAssembly.Module.');
}

function rawSchema(schema: Schema): RawOptions['schema'] {
  const { version, stores, upgrades } = objectArgument(schema, 'schema');
  const steps = Object.entries(objectArgument(upgrades ?? {}, 'schema.upgrades'));
  for (const [name, upgrade] of steps) {
    functionArgument(upgrade, `schema.upgrades[${name}]`);
    if (!/^[1-9]\d*$/.test(name)) throw invalidArgument(`schema.upgrades names ${name}, which is no version.`);
  }
  return {
    version: numberArgument(version, 'schema.version'),
    stores: mapped(stores, 'schema.stores', textArgument),
    upgrades: steps.map(([name]) => Number(name)),
  };
}

function rawTransports(transports: readonly Transport[]): Transport[] {
  return listArgument(transports, 'transports').map((word) => wordArgument(word, TRANSPORTS, 'Each of transports'));
}

function syncUrl({ url, getToken }: SyncOptions): string {
  functionArgument(getToken, 'sync.getToken');
  return textArgument(url, 'sync.url');
}

function rawEncryption(encryption: EncryptionOptions): RawEncryption {
  const { fields, format } = objectArgument(encryption, 'encryption');
  return { fields: mapped(fields ?? {}, 'encryption.fields', textsArgument), format: format ?? 0 };
}

/** A user as the engine reads it. */
export function rawUser(user: User | null): RawUser | null {
  if (user === null) return null;
  const { id, displayName } = objectArgument(user, 'user');
  return { id: textArgument(id, 'user.id'), displayName: optionalText(displayName, 'user.displayName') };
}

/** Spaces as the engine reads them. */
export function rawSpaces(spaces: readonly Space[]): RawSpace[] {
  return listArgument(spaces, 'spaces').map((space) => {
    const { id, type, role } = objectArgument(space, 'A space');
    const raw = { id: textArgument(id, "A space's id"), type: textArgument(type, "A space's type") };
    return { ...raw, role: optionalText(role, "A space's role") };
  });
}

function rawApp(app: AppOptions, what: string): RawApp {
  const { sync, schemaVersion, migrations, tables } = objectArgument(app, what);
  return {
    sync: wordArgument(sync ?? 'eager', ['eager', 'lazy'], `${what}.sync`),
    schemaVersion: numberArgument(schemaVersion ?? 1, `${what}.schemaVersion`),
    migrations: mapped(migrations ?? {}, `${what}.migrations`, (step, of) => mapped(step, of, rawMigration)),
    tables: mapped(tables, `${what}.tables`, rawTable),
  };
}

/** What the names mean, and whether steps fit together, is checked by the engine; what it does not know, it refuses. */
function rawMigration(migration: Migration, what: string): RawMigration {
  const { rename, drop, defaults, ...unknown } = objectArgument(migration, what);
  return {
    rename: mapped(rename ?? {}, `${what}.rename`, textArgument),
    drop: textsArgument(drop ?? [], `${what}.drop`),
    defaults: { ...objectArgument(defaults ?? {}, `${what}.defaults`) },
    ...unknown,
  };
}

function rawTable(table: TableOptions, what: string): RawApp['tables'][string] {
  const { dates, scope, syncName, aad } = objectArgument(table, what);
  return {
    dates: textsArgument(dates ?? [], `${what}.dates`),
    scope: wordArgument(scope ?? 'space', ['space', 'user'], `${what}.scope`),
    syncName: optionalText(syncName, `${what}.syncName`),
    aad: aad ? rawAad(aad, `${what}.aad`) : null,
  };
}

function rawAad(aad: BoundNames, what: string): RawAad {
  const { table, fields } = objectArgument(aad, what);
  return { table: optionalText(table, `${what}.table`), fields: mapped(fields ?? {}, `${what}.fields`, textArgument) };
}

/** An object of the same names, each value in its raw form. */
function mapped<V, R>(values: Readonly<Record<string, V>>, what: string, raw: (value: V, what: string) => R) {
  const entries = Object.entries(objectArgument(values, what));
  return Object.fromEntries(entries.map(([name, value]) => [name, raw(value, `${what}.${name}`)])) as Record<string, R>;
}
