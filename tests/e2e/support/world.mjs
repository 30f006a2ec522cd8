// Everything an end-to-end test needs: the built demo, the real server, a browser, and people at devices.
import { startBrowser } from '../../support/chromium.mjs';
import { SyncServer } from '../../support/sync-server.mjs';
import { startDemo } from './demo.mjs';
import { DevicePage } from './device-page.mjs';

export class World {
  demo;
  server;
  browser;
  #devices = [];
  #browsers = [];

  static async start() {
    const world = new World();
    try {
      [world.demo, world.browser] = await Promise.all([startDemo(), startBrowser()]);
      world.server = await SyncServer.start(world.demo.url);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async stop() {
    await this.leave();
    await this.browser?.close();
    await this.server?.remove();
    await this.demo?.stop();
  }

  /**
   * Closes all devices, so that the next test starts with new ones. Fails when the page of one complained of anything but the
   * network.
   */
  async leave() {
    const devices = this.#devices.splice(0);
    await Promise.all(devices.map((device) => device.close()));
    await Promise.all(this.#browsers.splice(0).map((browser) => browser.close()));
    for (const device of devices) device.assertQuiet({ network: true });
  }

  /**
   * A browser profile of its own with the demo open.
   *
   * @param {{ server?: string, welcome?: boolean, alone?: boolean, context?: import('playwright-core').BrowserContextOptions,
   *   watch?: (context: import('playwright-core').BrowserContext) => void }} [options]
   *   `server`: the address of the sync server when it is another one than the world's; `welcome`: begin as a visitor does, as a
   *   guest with a few tasks; `alone`: in a browser process of its own; `watch`: gets the profile before any page is open
   */
  async device({ server = this.server.url, welcome = false, alone = false, context = {}, watch } = {}) {
    const opened = await (alone ? await this.#anotherBrowser() : this.browser).newContext({
      viewport: { width: 1280, height: 900 },
      ...context,
    });
    watch?.(opened);
    const start = welcome ? '' : '&start=sign-in';
    const device = new DevicePage(opened, `${this.demo.url}/?server=${encodeURIComponent(server)}${start}`);
    this.#devices.push(device);
    await device.open();
    return device;
  }
  async #anotherBrowser() {
    const browser = await startBrowser();
    this.#browsers.push(browser);
    return browser;
  }
}
