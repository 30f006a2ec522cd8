// Browser profiles with the package and no app around it, each told what to do by a test, and the real server they share.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser } from '../../support/chromium.mjs';
import { packageDirectory, root } from '../../support/places.mjs';
import { serve } from '../../support/serve.mjs';
import { SyncServer } from '../../support/sync-server.mjs';

const html = (script) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/${script}"></script>`;

export class BareDevices {
  server;
  #browser;
  #directory;
  #pages;

  /** @param {string} [script] what their pages run, of `tests/e2e/page` */
  static async start(script = 'vault.js') {
    const devices = new BareDevices();
    try {
      await devices.#start(script);
      return devices;
    } catch (error) {
      await devices.stop();
      throw error;
    }
  }

  async #start(script) {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-bare-'));
    await cp(join(root, 'tests/e2e/page'), this.#directory, { recursive: true });
    await cp(packageDirectory, join(this.#directory, 'pkg'), { recursive: true });
    await writeFile(join(this.#directory, 'index.html'), html(script));
    const connectTo = [];
    this.#pages = await serve(this.#directory, { connectTo });
    this.server = await SyncServer.start(new URL(this.#pages.url).origin);
    connectTo.push(this.server.url, this.server.url.replace('http', 'ws'));
    this.#browser = await startBrowser();
  }

  async stop() {
    await this.#browser?.close();
    await this.server?.remove();
    await this.#pages?.close();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }

  /**
   * A browser profile of its own; `told` calls its page, `restart` kills the page and opens another, `tab` opens one beside it.
   *
   * @param {(context: import('playwright-core').BrowserContext) => void} [watch] gets the profile before any page is open
   */
  async profile(watch) {
    const context = await this.#browser.newContext();
    watch?.(context);
    let page = await this.#load(context);
    return {
      context,
      get page() {
        return page;
      },
      told: (...asked) => tell(page, ...asked),
      tab: async () => {
        const beside = await this.#load(context);
        return { page: beside, told: (...asked) => tell(beside, ...asked) };
      },
      restart: async () => {
        await page.close();
        page = await this.#load(context);
      },
    };
  }

  async #load(context) {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => console.error(error));
    await page.goto(this.#pages.url);
    await page.waitForFunction(() => 'device' in globalThis);
    return page;
  }
}

/** Has a page do something and gives its answer. */
function tell(page, method, ...given) {
  return page.evaluate(([name, arguments_]) => globalThis.device[name](...arguments_), [method, given]);
}
