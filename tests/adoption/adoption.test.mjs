// A database that the real Dexie made and filled is opened by the engine, synced with the real server, and opened by Dexie
// again; in Chromium.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertSentOnce, inserted, World } from './support.mjs';

const records = 25;

/** All that changes in the rows: what was missing in one of a time before spaces, and what came from the server. */
const grownTogether = [
  'settings/prefs.spaceId: "_personal:ada", now undefined',
  'tasks/bare.authorId: undefined, now "ada"',
  'tasks/bare.spaceId: undefined, now "_personal:ada"',
  'tasks/bare.visibility: undefined, now "space"',
  'tasks/edited.deletedAt: undefined, now null',
  'tasks/edited.note: undefined, now "theirs"',
];

describe('a database of an app on Dexie', { timeout: 300_000 }, () => {
  let world;
  let page;
  let made;
  let layout;
  let adopted;
  const adopt = () => page.evaluate((url) => globalThis.page.adopt(url), world.server.url);

  before(async () => {
    world = await World.start();
    await world.push([
      inserted('tasks', 'edited', { title: 'on the server', note: 'theirs' }),
      inserted('tags', 'clash', { slug: 'home' }),
    ]);
    page = await world.tab();
    made = await page.evaluate((records) => globalThis.page.fill(records), records);
    layout = await page.evaluate(() => globalThis.page.layout());
    adopted = await adopt();
  });
  after(() => world?.stop());

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

  it('keeps every field of every row', () => {
    assert.deepEqual(changed(made, adopted.rows), grownTogether);
  });

  it('keeps every store and index as it was declared, and adds its own stores', async () => {
    assert.ok(Object.keys(layout).length > 42 && layout.tags.indexes[0].unique && layout.tasks.indexes.length === 6);
    assert.deepEqual(await page.evaluate(() => globalThis.page.layout()), grown(layout));
  });

  it('pulls everything from the beginning once, and never when it is opened again', async () => {
    assert.equal(adopted.wholePulls, 1);
    const again = await adopt();
    assert.equal(again.wholePulls, 1);
    assert.deepEqual(again.rows, adopted.rows);
    assert.deepEqual(again.events, []);
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
    const changes = await world.pulled();
    assertSentOnce(changes);
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
    const { rows, ...rest } = found;
    const due = 'tasks/made.due: Date 1969-07-20T20:17:40.000Z, now "1969-07-20T20:17:40.000Z"';
    assert.deepEqual(changed(made, rows), [...grownTogether, due].sort());
    assert.deepEqual(await page.evaluate(() => globalThis.page.layout()), grown(layout));
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
    const again = await adopt();
    assert.equal(again.wholePulls, 2, 'and everything pulled once more');
    assert.ok(again.titles.includes('written by the older app'));
    assert.equal(again.install, adopted.install);
    assert.ok((await world.pulled()).some(({ id }) => id === 'again'));
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
      const doomed = await world.tab();
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

/** Each field of each row that is not what it was. */
function changed(before, after) {
  const changes = [];
  for (const table of Object.keys({ ...before, ...after })) {
    for (const id of Object.keys({ ...before[table], ...after[table] })) {
      const [was, is] = [before[table]?.[id] ?? {}, after[table]?.[id] ?? {}];
      const fields = Object.keys({ ...was, ...is }).filter((field) => is[field] !== was[field]);
      changes.push(...fields.map((field) => `${table}/${id}.${field}: ${was[field]}, now ${is[field]}`));
    }
  }
  return changes.sort();
}

/** The older app's stores with those that the engine adds. */
function grown(layout) {
  const index = (name, keyPath) => ({ name, keyPath, unique: false, multiEntry: false });
  return {
    ...layout,
    _changeLog: { keyPath: 'seq', autoIncrement: true, indexes: ['appId', 'userId'].map((name) => index(name, name)) },
    _engine: { keyPath: ['kind', 'key'], autoIncrement: false, indexes: [] },
    _history: {
      keyPath: 'seq',
      autoIncrement: true,
      indexes: [index('[table+id]', ['table', 'id']), index('at', 'at')],
    },
  };
}
