/** The package's entry: importing it opens nothing and loads no WASM. */

import { openWith } from './engine.js';
import { createInstance, loadModule } from './load.js';
import type { Engine, EngineOptions } from './types.js';

/**
 * Opens the database and gives the engine. Rejects with a `ManaError`: `unsupported_environment` on a server,
 * `engine_load_failed` when the WASM module cannot be had, `schema_too_new` when the database is of a later version.
 */
export function openEngine(options: EngineOptions): Promise<Engine> {
  return openWith({ loadModule, createInstance }, options);
}

export type * from './archive-types.js';
export { type ErrorDetails, errorCodes, ManaError, type ManaErrorCode } from './errors.js';
export { liveQuery } from './live-function.js';
export type { ModuleSource } from './load.js';
export type * from './types.js';
export type { Sealed } from './vault.js';
export type * from './vault-types.js';
