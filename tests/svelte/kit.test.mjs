// The binding in a SvelteKit app: rendered by a server where there is no IndexedDB, taken over by Chromium, then live.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { complaintsOf } from './support/complaints.mjs';
import { KitApp } from './support/kit.mjs';

const titles = ['Buy milk', 'Bake bread'];

describe('in a SvelteKit app', { timeout: 380_000 }, () => {
  let app;
  let browser;

  before(async () => {
    [app, browser] = await Promise.all([KitApp.start(), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await app?.stop();
  });

  it('a_server_renders_the_initial_rows_and_touches_nothing_of_a_browser', async () => {
    const html = await (await fetch(app.url)).text();
    assert.deepEqual(itemsOf(html), titles);
    assert.match(html, /<h1>2 tasks<\/h1> <ul class="stale">/);
    assert.deepEqual(await (await fetch(`${app.url}/touched`)).json(), []);
  });

  it('the_browser_takes_over_what_was_rendered_and_is_live', async () => {
    await onPage('', async ({ page, hydrate, complaints }) => {
      const { changed, kept } = await hydrate();
      assert.deepEqual(changed, []);
      assert.equal(kept, 2);
      await page.getByRole('button', { name: 'Add' }).click();
      await page.getByText('Eat').waitFor();
      assert.deepEqual((await page.locator('li').allTextContents()).sort(), [...titles, 'Eat'].sort());
      assert.equal(await page.locator('h1').textContent(), '3 tasks');
      assert.equal(await page.locator('ul').getAttribute('class'), 'ready');
      assert.deepEqual(complaints, []);
    });
  });

  it('away_and_back_opens_the_database_once', async () => {
    await onPage('', async ({ page, hydrate, complaints }) => {
      await page.addInitScript(() => {
        const real = IDBFactory.prototype.open;
        globalThis.opened = [];
        IDBFactory.prototype.open = function (...given) {
          globalThis.opened.push(given[0]);
          return real.apply(this, given);
        };
      });
      await page.reload({ waitUntil: 'commit' });
      await hydrate();
      const opened = await page.evaluate(() => globalThis.opened);
      assert.ok(opened.includes('tasks'), `opened: ${opened}`);
      await page.getByText('Away').click();
      await page.getByText('Nothing here').waitFor();
      await page.getByText('Tasks', { exact: true }).click();
      await page.locator('ul.ready').waitFor();
      assert.deepEqual(await page.evaluate(() => globalThis.opened), opened);
      assert.deepEqual(complaints, []);
    });
  });

  it('a_database_that_does_not_open_is_told_and_tried_again', async () => {
    await onPage('', async ({ page, hydrate, complaints }) => {
      await page.evaluate(() => {
        globalThis.real = IDBFactory.prototype.open;
        IDBFactory.prototype.open = () => {
          throw new DOMException('planted', 'UnknownError');
        };
      });
      const live = hydrate();
      await page.getByRole('alert').waitFor();
      assert.deepEqual(await page.locator('li').allTextContents(), titles);
      await page.evaluate(() => {
        IDBFactory.prototype.open = globalThis.real;
      });
      await page.getByText('Away').click();
      await page.getByText('Tasks', { exact: true }).click();
      await live;
      assert.equal(await page.getByRole('alert').count(), 0);
      assert.deepEqual(complaints, []);
    });
  });

  it('other_rows_to_begin_with_in_the_browser_would_be_noticed', async () => {
    await onPage('planted', async ({ hydrate }) => {
      const { changed, kept } = await hydrate();
      // Svelte mends lists without a word: only the elements tell.
      assert.ok(changed.length > 0, 'no change was seen');
      assert.equal(kept, 1);
    });
  });

  it('a_warning_of_svelte_would_be_noticed', async () => {
    const withoutButton = (html) => html.replace(/<button.*<\/button>/, '');
    const work = async ({ hydrate, complaints }) => {
      await hydrate();
      assert.match(complaints.join(), /hydration_mismatch/);
    };
    await onPage('', work, withoutButton);
  });

  /** Opens a page whose scripts wait until `hydrate` lets them run; `tampered` changes what the server sent. */
  async function onPage(path, work, tampered = (html) => html) {
    const context = await browser.newContext();
    const timer = setTimeout(() => context.close(), 120_000);
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      const complaints = await complaintsOf(page);
      let open;
      const gate = new Promise((resolve) => {
        open = resolve;
      });
      await page.route('**/*.js', async (route) => {
        await gate;
        await route.continue();
      });
      await page.route(`${app.url}/${path}`, async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: tampered(await response.text()) });
      });
      await page.goto(`${app.url}/${path}`, { waitUntil: 'commit' });
      await page.getByText(titles.at(-1)).waitFor();
      const hydrate = () => hydrated(page, open);
      await work({ page, hydrate, complaints });
    } finally {
      clearTimeout(timer);
      await context.close();
    }
  }
});

/** Lets the scripts run until the page is live; gives what that changed in the list, and how many of the server's elements are still there. */
async function hydrated(page, open) {
  await page.evaluate(() => {
    const list = document.querySelector('ul');
    for (const item of list.children) item.isServed = true;
    globalThis.changed = [];
    new MutationObserver((records) => {
      for (const { type, target } of records)
        globalThis.changed.push(`${type} ${target.nodeName}: ${target.textContent}`);
    }).observe(list, { subtree: true, childList: true, characterData: true });
  });
  open();
  // Without rows it has no height.
  await page.locator('ul.ready').waitFor({ state: 'attached' });
  return page.evaluate(() => ({
    changed: globalThis.changed,
    kept: [...document.querySelectorAll('li')].filter(({ isServed }) => isServed).length,
  }));
}

function itemsOf(html) {
  return [...html.matchAll(/<li>(.*?)<\/li>/g)].map(([, text]) => text);
}
