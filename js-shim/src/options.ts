/** The engine's options in the form the WASM side reads: every key present, absent values `null`. */

import { invalidArgument } from './errors.js';
import { plain } from './proxies.js';
import type { RawApp, RawEncryption, RawOptions, RawSpace, RawUser } from './raw.js';
import type { AppOptions, EngineOptions, Space, TableOptions, User } from './types.js';
import type { EncryptionOptions } from './vault-types.js';

/** Fills in what was left out; what the values mean is checked by the engine. */
export function rawOptions(options: EngineOptions): RawOptions {
  if (typeof options?.name !== 'string' || typeof options.schema?.stores !== 'object') {
    throw invalidArgument('openEngine needs at least a name and a schema.');
  }
  // The options may come out of a reactive state, and are kept for later instances.
  const { name, schema, apps, user, spaces, activeSpaceId, sync, durability, encryption, vault } = plain({
    ...options,
    module: undefined,
  }) as EngineOptions;
  return {
    name,
    schema: {
      version: schema.version,
      stores: { ...schema.stores },
      upgrades: Object.keys(schema.upgrades ?? {}).map(Number),
    },
    apps: Object.fromEntries(Object.entries(apps ?? {}).map(([id, app]) => [id, rawApp(app)])),
    user: rawUser(user ?? null),
    spaces: spaces ? rawSpaces(spaces) : null,
    activeSpaceId: activeSpaceId ?? null,
    sync: sync ? { url: sync.url } : null,
    durability: durability ?? 'relaxed',
    encryption: encryption ? rawEncryption(encryption) : null,
    vaultWaitMs: vault?.waitMs ?? 2_000,
    vaultLockAfterMs: vault?.lockAfterMs ?? 0,
  };
}

function rawEncryption({ fields, format }: EncryptionOptions): RawEncryption {
  const named = Object.entries(fields ?? {}).map(([table, names]) => [table, [...names]] as [string, string[]]);
  return { fields: Object.fromEntries(named), format: format ?? 0 };
}

export function rawUser(user: User | null): RawUser | null {
  return user && { id: user.id, displayName: user.displayName ?? null };
}

export function rawSpaces(spaces: readonly Space[]): RawSpace[] {
  return spaces.map(({ id, type, role }) => ({ id, type, role: role ?? null }));
}

function rawApp(app: AppOptions): RawApp {
  return {
    sync: app.sync ?? 'eager',
    schemaVersion: app.schemaVersion ?? 1,
    tables: Object.fromEntries(Object.entries(app.tables).map(([name, table]) => [name, rawTable(table)])),
  };
}

function rawTable(table: TableOptions): RawApp['tables'][string] {
  return { dates: [...(table.dates ?? [])], scope: table.scope ?? 'space', syncName: table.syncName ?? null };
}
