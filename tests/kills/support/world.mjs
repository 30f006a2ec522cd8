// A server, a page that is served, the browser that is killed, and the other device.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageDirectory, root } from '../../support/places.mjs';
import { serve } from '../../support/serve.mjs';
import { SyncServer } from '../../support/sync-server.mjs';
import { Device } from './device.mjs';
import { Phone } from './phone.mjs';

export class World {
  #directory;
  #pages;
  server;
  device;
  phone;

  static async start() {
    const world = new World();
    try {
      await world.#start();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #start() {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-kills-'));
    const page = join(this.#directory, 'page');
    await cp(join(root, 'tests/kills/page'), page, { recursive: true });
    await cp(packageDirectory, join(page, 'pkg'), { recursive: true });
    const connectTo = [];
    this.#pages = await serve(page, { connectTo });
    this.server = await SyncServer.start(new URL(this.address).origin);
    connectTo.push(this.server.url, this.server.url.replace('http', 'ws'));
    this.phone = new Phone(this.server);
    this.device = new Device(this.#directory);
  }

  get address() {
    return this.#pages.url;
  }

  async stop() {
    await this.device?.kill();
    await this.server?.remove();
    await this.#pages?.close();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
