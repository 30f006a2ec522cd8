/** Loads the engine's WebAssembly module, once per page or worker, and makes instances of it. */
import { ManaError } from './errors.js';
import { createGlue } from './glue.js';
import type { Glue } from './raw.js';

/** Where the module comes from when the package's own address does not fit: an address, or the module already compiled. */
export type ModuleSource = string | URL | WebAssembly.Module;

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/**
 * The engine's module: compiled once per address, kept for the life of the page.
 *
 * Rejects with `unsupported_environment` where there is no IndexedDB or WebAssembly (on a server), and with
 * `engine_load_failed` when the module cannot be fetched or compiled; a later call then tries again.
 */
export async function loadModule(source?: ModuleSource): Promise<WebAssembly.Module> {
  requireBrowser();
  if (typeof source === 'object' && !('href' in source)) return source;
  // Written out in this form because bundlers look for it: they copy the file and put its final address here.
  const url =
    source === undefined ? new URL('./engine.wasm', import.meta.url) : new URL(source, globalThis.location?.href);
  const known = compiled.get(url.href);
  if (known) return known;
  const loading = compile(url);
  compiled.set(url.href, loading);
  loading.catch(() => compiled.delete(url.href));
  return loading;
}

/** A fresh instance with memory of its own; what happened in another instance of the module does not touch it. */
export function createInstance(module: WebAssembly.Module): Glue {
  const glue = createGlue();
  glue.initSync({ module });
  return glue;
}

function requireBrowser(): void {
  const missing = ['indexedDB', 'WebAssembly', 'fetch'].filter((name) => !(name in globalThis));
  if (missing.length === 0) return;
  throw new ManaError(
    'unsupported_environment',
    `The engine runs in browsers and workers; ${missing.join(' and ')} is missing here.`,
    {
      details: { missing },
    },
  );
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url, { credentials: 'same-origin' }).catch((cause) => {
    throw failed(url, 'the address did not answer', { retryable: true, cause });
  });
  if (!response.ok) throw failed(url, `the address answered ${response.status}`, { retryable: response.status >= 500 });
  try {
    if (response.headers.get('content-type')?.trim().toLowerCase() === 'application/wasm') {
      return await WebAssembly.compileStreaming(response);
    }
    // compileStreaming refuses any other type, but many static servers do not know this one.
    return await WebAssembly.compile(wasmBytes(url, await response.arrayBuffer()));
  } catch (cause) {
    if (cause instanceof ManaError) throw cause;
    throw failed(url, cause instanceof Error ? cause.message : String(cause), {
      retryable: !(cause instanceof WebAssembly.CompileError),
      cause,
    });
  }
}

function wasmBytes(url: URL, bytes: ArrayBuffer): ArrayBuffer {
  const magic = [0, 0x61, 0x73, 0x6d];
  const start = new Uint8Array(bytes, 0, Math.min(magic.length, bytes.byteLength));
  if (magic.every((byte, index) => start[index] === byte)) return bytes;
  // The usual reason: a server that answers unknown addresses with the app's HTML page.
  throw failed(url, 'the address answered something that is not WebAssembly', { retryable: false });
}

function failed(url: URL, reason: string, more: { retryable: boolean; cause?: unknown }): ManaError {
  return new ManaError('engine_load_failed', `The engine's module could not be loaded from ${url.href}: ${reason}.`, {
    ...more,
    details: { url: url.href },
  });
}
