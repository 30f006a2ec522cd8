// A database that the real Dexie made and filled is opened by the engine, synced with the real server, and opened by Dexie
// again; in Chromium.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { SyncServer } from '../support/sync-server.mjs';
import { synced } from './page/schema.js';

const records = 25;
const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

describe('a database of an app on Dexie', { timeout: 300_000 }, () => {
  let browser;
  let directory;
  let pages;
  let server;
  let page;
  let made;
  let adopted;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-adoption-'));
    await cp(join(root, 'tests/adoption/page'), directory, { recursive: true });
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    await cp(join(root, 'node_modules/dexie/dist/dexie.mjs'), join(directory, 'dexie.js'));
    await writeFile(join(directory, 'index.html'), html);
    const connectTo = [];
    pages = await serve(directory, { connectTo });
    server = await SyncServer.start(new URL(pages.url).origin);
    connectTo.push(server.url, server.url.replace('http', 'ws'));
    await push(server, [
      inserted('tasks', 'edited', { title: 'on the server', note: 'theirs' }),
      inserted('tags', 'clash', { slug: 'home' }),
    ]);
    browser = await startBrowser();
    const context = await browser.newContext();
    page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => console.error(error));
    await page.goto(pages.url);
    await page.waitForFunction(() => 'page' in globalThis);
    made = await page.evaluate((records) => globalThis.page.fill(records), records);
    adopted = await page.evaluate((url) => globalThis.page.adopt(url), server.url);
  });
  after(async () => {
    await browser?.close();
    await server?.remove();
    await pages?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('opens in place with every record', () => {
    assert.deepEqual(adopted.titles, [
      'from a wrong clock',
      'made offline',
      'never queued',
      'new title',
      'no stamps at all',
      'the generation before',
      'travels',
    ]);
    assert.equal(adopted.due, '1969-07-20T20:17:40.000Z');
    assert.equal(adopted.drafts, 2);
    assert.notEqual(adopted.install, 'older-client');
  });

  it('tells the taking over, and its end', () => {
    assert.equal(adopted.pulling, 1);
    assert.deepEqual(
      adopted.events.filter(({ kind }) => kind === 'adoption').map(({ phase }) => phase),
      ['pulling', 'done'],
    );
  });

  it('sets aside what cannot travel, with a reason', () => {
    assert.deepEqual(adopted.letters, [
      'unknown_table',
      'value_not_syncable',
      'value_not_syncable',
      'value_not_syncable',
    ]);
  });

  it('keeps its unique index, whose refusal keeps one record out and nothing else', () => {
    assert.deepEqual(adopted.quarantined, ['not_unique']);
  });

  it('has sent everything once', async () => {
    const changes = await pulled(server);
    const edits = changes.flatMap((change) =>
      Object.entries({ ...change.data, ...change.fields }).map(([field, edit]) => {
        const at = change.fields && field in change.fields ? edit.at : change.at;
        return `${change.table}/${change.id}.${field} at ${at}`;
      }),
    );
    assert.equal(new Set(edits).size, edits.length);
    const ids = new Set(changes.map(({ table, id }) => `${table}/${id}`));
    for (const id of ['orphan', 'made', 'edited', 'gone', 'ahead', 'mixed', 'before', 'bare'])
      assert.ok(ids.has(`tasks/${id}`), id);
    assert.equal([...ids].filter((id) => id.startsWith('table')).length, 36 * records);
    const orphan = changes.find(({ id }) => id === 'orphan');
    assert.equal(orphan.fields?.title?.at ?? orphan.at, '2025-06-01T10:00:00.000Z');
    const city = changes.filter(({ id }) => id === 'edited').map(({ fields }) => fields?.address);
    assert.deepEqual(city.find(Boolean).value, { city: 'Zug', zip: 6300 });
    assert.equal(changes.find(({ id }) => id === 'prefs').spaceId ?? null, null);
  });

  it('can be opened by Dexie again, at the same version, with all records and indexes', async () => {
    const found = await page.evaluate(() => globalThis.page.comeBack());
    assert.deepEqual(found.counts, made);
    const { counts, ...rest } = found;
    assert.deepEqual(rest, {
      tagged: ['orphan'],
      city: ['edited'],
      compound: ['orphan'],
      edited: ['before'],
      unique: 'ConstraintError',
      map: true,
      draft: true,
      cursors: 1,
      queued: 0,
      version: 551,
    });
  });

  it('is taken over again after the older app came back', async () => {
    const again = await page.evaluate((url) => globalThis.page.adopt(url), server.url);
    assert.ok(again.titles.includes('written by the older app'));
    assert.equal(again.install, adopted.install);
    assert.ok((await pulled(server)).some(({ id }) => id === 'again'));
  });

  it('upgrades its rows once, from one version to the next or not at all', async () => {
    const { codes, failed, between, opened, runs, steps } = await page.evaluate(() => globalThis.page.upgrade());
    assert.deepEqual(codes, ['upgrade_failed', 'upgrade_failed'], 'what awaits something else first is not done');
    assert.deepEqual(failed, { code: 'upgrade_failed', version: 3 });
    assert.deepEqual(between.titles, ['a2', 'b2']);
    assert.deepEqual(between.log, ['user', 'migration']);
    for (const { titles } of opened) assert.deepEqual(titles, ['a2', 'b2', 'c']);
    assert.equal(runs, 2);
    assert.deepEqual(steps[0], { version: 2, step: 0, steps: 2 });
  });

  it('upgrades each row once, however often the page dies over it', async () => {
    // So many that a page dies long before it is through.
    const rows = 600;
    await page.evaluate((rows) => globalThis.page.fillForUpgrade(rows), rows);
    // Three times in the first step, and three times in the second.
    for (const after of [1, 100, 300, 601, 1, 100]) {
      const doomed = await page.context().newPage();
      await doomed.goto(pages.url);
      await doomed.waitForFunction(() => 'page' in globalThis);
      const died = doomed.evaluate(() => globalThis.page.upgradeCounted()).catch(() => 'died');
      const reached = doomed.waitForFunction((after) => globalThis.upgraded >= after, after, { polling: 1 });
      await Promise.race([reached, died]);
      await doomed.close();
      await died;
    }
    const { counts, edits, upgraded } = await page.evaluate(() => globalThis.page.upgradeCounted());
    assert.equal(upgraded, rows, 'the second step was left over');
    assert.deepEqual(counts, Array(rows).fill(2));
    assert.equal(new Set(edits).size, edits.length, 'no step ran twice');
    assert.equal(edits.length, 2 * rows);
  });
});

function inserted(table, id, values) {
  const data = { ...values, authorId: 'ada', visibility: 'space', deletedAt: null };
  const frame = {
    eventId: randomUUID(),
    app: 'todo',
    schemaVersion: 1,
    table,
    id,
    op: 'insert',
    at: '2025-06-01T10:00:00.000Z',
  };
  return { ...frame, data, spaceId: '_personal:ada', visibility: 'space', origin: 'user' };
}

async function push(server, changes) {
  const { rejected } = await ask(server, '/v2/push', { schemaVersion: 1, changes });
  assert.deepEqual(rejected, []);
}

async function pulled(server) {
  const changes = [];
  for (let cursor, more = true; more; ) {
    const page = await ask(server, '/v2/pull', { cursor, apps: { todo: synced }, limit: 1000 });
    changes.push(...page.changes);
    cursor = page.cursor;
    more = page.hasMore;
  }
  return changes;
}

async function ask(server, path, body) {
  const { token } = await post(server, '/dev/login', { user: 'ada' });
  return post(server, path, { protocol: 2, clientId: 'another.1', ...body }, token);
}

async function post(server, path, body, token) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const json = await answer.json();
  assert.ok(answer.ok, `${path} answered ${answer.status}: ${JSON.stringify(json)}`);
  return json;
}
