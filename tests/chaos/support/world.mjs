// A server, two devices of one person, and what the server has.
import { startBrowser } from '../../support/chromium.mjs';
import { keyOf, Phone } from '../../support/phone.mjs';
import { Site, started } from '../../support/site.mjs';
import { tables } from '../page/writes.js';
import { Book } from './book.mjs';
import { Device } from './device.mjs';

export class World {
  book = new Book();
  devices = [];
  isLong = false;
  /** @type {Phone} */
  phone;
  /** How many changes the server has. */
  sent = 0;
  /** Every title that the server has, by `table/id`. */
  titles = new Map();
  #browser;
  #site;

  /** @param {{ isLong: boolean }} options whether there is time for what takes long */
  static start({ isLong }) {
    return started(Object.assign(new World(), { isLong }));
  }

  async start() {
    this.#site = await Site.start('tests/chaos/page');
    this.#browser = await startBrowser();
    this.phone = new Phone(this.server, 'chaos', tables, (change) => this.#take(change));
    for (const [name, transports] of [
      ['a', ['websocket', 'stream', 'poll']],
      ['b', ['stream', 'poll']],
    ]) {
      const device = new Device(name, transports, (tab, what) => this.book.hear(tab, what));
      this.devices.push(device);
      await device.start(this.#browser, this.#site);
    }
  }

  get server() {
    return this.#site.server;
  }

  async stop() {
    for (const device of this.devices) await device.stop();
    await this.#browser?.close();
    await this.#site?.stop();
  }

  #take({ table, id, data, fields }) {
    this.sent += 1;
    const title = data?.title ?? fields?.title?.value;
    if (title === undefined) return;
    const key = keyOf(table, id);
    this.titles.set(key, (this.titles.get(key) ?? new Set()).add(title));
  }
}
