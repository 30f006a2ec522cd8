// The package in pages of a test's own, and the real server that they talk to.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageDirectory, root } from './places.mjs';
import { serve } from './serve.mjs';
import { SyncServer } from './sync-server.mjs';

export class Site {
  /** @type {SyncServer} */
  server;
  #directory;
  #pages;
  #connectTo = [];

  /**
   * @param {string} pages where they are, from the root of the project
   * @param {(directory: string) => Promise<void>} [add] puts more beside them
   */
  static start(pages, add) {
    return started(new Site(), pages, add);
  }

  async start(pages, add) {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-site-'));
    await cp(join(root, pages), this.#directory, { recursive: true });
    await cp(packageDirectory, join(this.#directory, 'pkg'), { recursive: true });
    // Pages name these as they lie in the project: `../../support/page/…`, of which a browser takes the end.
    await cp(join(root, 'tests/support/page'), join(this.#directory, 'support/page'), { recursive: true });
    await add?.(this.#directory);
    this.#pages = await serve(this.#directory, { connectTo: this.#connectTo });
    this.server = await SyncServer.start(new URL(this.url).origin);
    this.letConnectTo(this.server.url);
  }

  /** Serves one more file beside the pages. */
  put(name, bytes) {
    return writeFile(join(this.#directory, name), bytes);
  }

  /** Lets pages that are loaded from now on ask this address, too. */
  letConnectTo(url) {
    this.#connectTo.push(url, url.replace('http', 'ws'));
  }

  /** The address of the pages. */
  get url() {
    return this.#pages.url;
  }

  async stop() {
    await this.server?.remove();
    await this.#pages?.close();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Starts what has `start` and `stop`; where the start fails, what was begun is stopped.
 *
 * @template {{ start(...given: unknown[]): Promise<void>; stop(): Promise<void> }} T
 * @param {T} world
 * @param {unknown[]} given what `start` takes
 */
export async function started(world, ...given) {
  try {
    await world.start(...given);
    return world;
  } catch (error) {
    await world.stop();
    throw error;
  }
}
