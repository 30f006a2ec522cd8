// A browser profile with two tabs on one database, behind a proxy of its own.
import { setTimeout as pause } from 'node:timers/promises';
import { FaultyProxy } from '../../support/faulty-proxy.mjs';

/** Milliseconds that one step of a page may take. */
const patience = 60_000;

export class Device {
  /** @type {FaultyProxy} */
  proxy;
  name;
  #context;
  #address;
  #transports;
  #hear;
  #tabs = [];
  #opened = 0;

  /**
   * @param {string} name one letter
   * @param {string[]} transports how it hears of news
   * @param {(tab: string, what: object) => void} hear gets what its pages tell
   */
  constructor(name, transports, hear) {
    this.name = name;
    this.#transports = transports;
    this.#hear = hear;
  }

  async start(browser, site) {
    this.proxy = await FaultyProxy.start(site.server.url);
    site.letConnectTo(this.proxy.url);
    this.#address = site.url;
    this.#context = await browser.newContext();
    await this.open(0);
    await this.open(1);
  }

  async stop() {
    await this.#context?.close();
    await this.proxy?.stop();
  }

  /** Opens a tab in that place, which begins to write. */
  async open(place) {
    const name = `${this.name}${place}-${this.#opened}`;
    this.#opened += 1;
    const page = await this.#context.newPage();
    page.setDefaultTimeout(patience);
    const session = await this.#context.newCDPSession(page);
    const tab = { name, page, session };
    this.#tabs[place] = tab;
    page.on('pageerror', (error) => this.#hear(name, { broken: String(error) }));
    page.on('crash', () => {
      tab.crashed = true;
    });
    session.on('Runtime.bindingCalled', ({ payload }) => this.#hear(name, JSON.parse(payload)));
    await session.send('Runtime.enable');
    await session.send('Runtime.addBinding', { name: 'tell' });
    await page.goto(this.#address);
    await page.waitForFunction(() => 'tab' in globalThis);
    await page.evaluate((given) => globalThis.tab.open(...given), [this.proxy.url, this.#transports]);
    await page.evaluate((name) => globalThis.tab.work(name), name);
  }

  /** Ends a tab in the middle of what it does, and opens another in its place. */
  async close(place) {
    await this.#tabs[place].page.close();
    await this.open(place);
  }

  /** The process of a tab goes at once; one that it shares with the other tab takes that one along. */
  async crash(place) {
    const { page, session } = this.#tabs[place];
    const crashed = page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await crashed;
    for (const at of [0, 1]) if (this.#tabs[at].crashed) await this.close(at);
  }

  /** Nothing of a tab runs for so many milliseconds, as when it is frozen: a message box stands in its way. */
  async hang(place, ms) {
    const { page } = this.#tabs[place];
    page.once('dialog', (dialog) => pause(ms).then(() => dialog.dismiss()));
    await page.evaluate(() => globalThis.alert());
  }

  setOffline(isOffline) {
    return this.#context.setOffline(isOffline);
  }

  /** Asks all tabs for a round of sync, as a person does who wants it now. */
  hurry() {
    return Promise.all(this.#tabs.map(({ page }) => page.evaluate(() => globalThis.tab.hurry())));
  }

  /** Ends the writing. */
  rest() {
    return Promise.all(this.#tabs.map(({ page }) => page.evaluate(() => globalThis.tab.rest())));
  }

  /** Has the first tab do something and gives its answer. */
  told(method) {
    return this.#tabs[0].page.evaluate((method) => globalThis.tab[method](), method);
  }
}
