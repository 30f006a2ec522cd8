// The test app as users would get it: built, and served under the strict Content-Security-Policy; a browser, and the real server.
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser } from '../../support/chromium.mjs';
import { root } from '../../support/places.mjs';
import { serve } from '../../support/serve.mjs';
import { started } from '../../support/site.mjs';
import { SyncServer } from '../../support/sync-server.mjs';
import { complaintsOf } from './complaints.mjs';
import { writeSnippets } from './snippets.mjs';
import { vite } from './vite.mjs';

/** Components that Svelte 4 compiles, too. */
const ofSvelte4 = ['components/Stores.svelte', 'docs/Former.svelte'];
/** Milliseconds that a page may take in all. */
const patience = 120_000;

export class World {
  /** @type {SyncServer} */
  server;
  #browser;
  #directory;
  #site;

  static start() {
    return started(new World());
  }

  async start() {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-svelte-'));
    const connectTo = [];
    this.#browser = startBrowser();
    this.#site = await serve(await this.#build(), { connectTo });
    this.server = await SyncServer.start(new URL(this.#site.url).origin);
    connectTo.push(this.server.url, this.server.url.replace('http', 'ws'));
    this.#browser = await this.#browser;
  }

  /** Builds the app beside what it imports as it lies in the project; gives where it is then. */
  async #build() {
    const app = join(this.#directory, 'tests/svelte/app');
    await cp(join(root, 'tests/svelte/app'), app, { recursive: true });
    await cp(join(root, 'tests/support/page'), join(this.#directory, 'tests/support/page'), { recursive: true });
    await symlink(join(root, 'node_modules'), join(this.#directory, 'node_modules'));
    await writeSnippets(join(app, 'docs'));
    for (const path of ofSvelte4) await cp(join(app, path), join(app, path.replace('.svelte', '.four.svelte')));
    await vite(app);
    return join(app, 'dist');
  }

  async stop() {
    await (await this.#browser)?.close();
    await this.#site?.close();
    await this.server?.remove();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }

  /** Opens a page of `app/pages` in a profile of its own for as long as `work` takes. */
  async with(name, work) {
    const context = await this.#browser.newContext();
    const timer = setTimeout(() => context.close(), patience);
    let complaints = [];
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      complaints = await complaintsOf(page);
      await page.goto(`${this.#site.url}?${name}#${this.server.url}`);
      await page.waitForFunction(() => 'page' in globalThis);
      const told = (method, ...given) =>
        page.evaluate(([which, arguments_]) => globalThis.page[which](...arguments_), [method, given]);
      await work({ page, told, context, complaints });
    } catch (error) {
      // What the page itself says of it is often the reason.
      throw complaints.length === 0
        ? error
        : new Error(`the page complained: ${complaints.join('\n')}`, { cause: error });
    } finally {
      clearTimeout(timer);
      await context.close();
    }
  }
}
