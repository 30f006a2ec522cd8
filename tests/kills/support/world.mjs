// A server, a page that is served, the browser that is killed, and the other device.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Phone } from '../../support/phone.mjs';
import { Site, started } from '../../support/site.mjs';
import { tables } from '../page/writes.js';
import { Device } from './device.mjs';

export class World {
  #directory;
  #site;
  device;
  phone;

  static start() {
    return started(new World());
  }

  async start() {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-kills-'));
    this.#site = await Site.start('tests/kills/page');
    this.phone = new Phone(this.server, 'kills', tables);
    this.device = new Device(this.#directory);
  }

  get server() {
    return this.#site.server;
  }

  get address() {
    return this.#site.url;
  }

  /** Another device than the one before, on a profile of its own, which is killed in the end, too. */
  async another(name) {
    await this.device.kill();
    const directory = join(this.#directory, name);
    await mkdir(directory);
    this.device = new Device(directory);
    return this.device;
  }

  /** Serves one more file beside the pages. */
  put(name, bytes) {
    return this.#site.put(name, bytes);
  }

  /** Lets pages that are loaded from now on ask this address, too. */
  letConnectTo(url) {
    this.#site.letConnectTo(url);
  }

  async stop() {
    await this.device?.kill();
    await this.#site?.stop();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
