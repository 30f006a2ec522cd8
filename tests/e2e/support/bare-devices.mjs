// Browser profiles with the package and no app around it, each told what to do by a test, and the real server they share.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBrowser } from '../../support/chromium.mjs';
import { Site, started } from '../../support/site.mjs';

const html = (script) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/${script}"></script>`;

export class BareDevices {
  #browser;
  #site;

  /** @param {string} [script] what their pages run, of `tests/e2e/page` */
  static start(script = 'vault.js') {
    return started(new BareDevices(), script);
  }

  async start(script) {
    this.#site = await Site.start('tests/e2e/page', (directory) =>
      writeFile(join(directory, 'index.html'), html(script)),
    );
    this.#browser = await startBrowser();
  }

  get server() {
    return this.#site.server;
  }

  async stop() {
    await this.#browser?.close();
    await this.#site?.stop();
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
    await page.goto(this.#site.url);
    await page.waitForFunction(() => 'device' in globalThis);
    return page;
  }
}

/** Has a page do something and gives its answer. */
function tell(page, method, ...given) {
  return page.evaluate(([name, arguments_]) => globalThis.device[name](...arguments_), [method, given]);
}
