// The key is changed on one of three real browsers: killed while everything is sealed anew, with a device that was offline.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { startBrowser } from '../../support/chromium.mjs';
import { packageDirectory, root } from '../../support/places.mjs';
import { serve } from '../../support/serve.mjs';
import { SyncServer } from '../../support/sync-server.mjs';

const [oldKey, newKey] = [1, 2];
const many = 1200;
const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/vault.js"></script>';
const ids = Array.from({ length: many }, (_, number) => `n${number}`);
const secretOf = (id) => `the secret of ${id}`;

let browser;
let directory;
let pages;
let server;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mana-rotation-'));
  await cp(join(root, 'tests/e2e/page'), directory, { recursive: true });
  await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
  await writeFile(join(directory, 'index.html'), html);
  const connectTo = [];
  pages = await serve(directory, { connectTo });
  server = await SyncServer.start(new URL(pages.url).origin);
  connectTo.push(server.url, server.url.replace('http', 'ws'));
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.remove();
  await pages?.close();
  await rm(directory, { recursive: true, force: true });
});

/** A browser profile of its own; `told` calls its page, `restart` kills the page and opens another. */
async function profile() {
  const context = await browser.newContext();
  let page = await load(context);
  return {
    context,
    told: (method, ...given) =>
      page.evaluate(([name, arguments_]) => globalThis.device[name](...arguments_), [method, given]),
    async restart() {
      await page.close();
      page = await load(context);
    },
  };
}

async function load(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => console.error(error));
  await page.goto(pages.url);
  await page.waitForFunction(() => 'device' in globalThis);
  return page;
}

async function until(what, holds) {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what} within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

it('a_changed_key_opens_everything_on_every_device_and_nothing_is_left_under_the_old_one', {
  timeout: 240_000,
}, async () => {
  const [first, away] = [await profile(), await profile()];
  await first.told('open', server.url, oldKey);
  await first.told('add', ids);
  await first.told('sync');
  await away.told('open', server.url, oldKey);
  await away.told('sync');
  await away.context.setOffline(true);
  assert.equal(await away.told('edit', 'n0', 'written while away'), 'written');

  const kept = await first.told('rotate', newKey);
  assert.equal(kept.generation, 2);
  // In the middle of sealing everything anew.
  await first.restart();
  await first.told('open', server.url, newKey);
  await until('everything is sealed anew', async () => (await first.told('sealedUnder')).join() === '0002');
  await first.told('sync');
  assert.deepEqual(await first.told('shown'), Object.fromEntries(ids.map((id) => [id, secretOf(id)])));

  await away.context.setOffline(false);
  await away.told('sync');
  await until('the old key is found out', async () => (await away.told('state')) === 'outdated');
  assert.equal(await away.told('edit', 'n1', 'under the old key'), 'key_outdated');
  await away.told('unlock', kept);
  assert.equal(await away.told('edit', 'n1', 'under the new key'), 'written');
  await away.told('sync');
  await first.told('sync');

  const fresh = await profile();
  await fresh.told('open', server.url, newKey);
  await fresh.told('sync');
  const expected = {
    ...Object.fromEntries(ids.map((id) => [id, secretOf(id)])),
    n0: 'written while away',
    n1: 'under the new key',
  };
  for (const device of [first, away, fresh]) {
    await until('what was written under the old key is sealed anew', async () => {
      await device.told('sync');
      return (await device.told('sealedUnder')).join() === '0002';
    });
    assert.deepEqual(await device.told('shown'), expected);
  }
});
