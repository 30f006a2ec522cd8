// Several tabs open an older database at once: one of them takes it over, or upgrades it, and nothing of it is doubled.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { assertSentOnce, World } from './support.mjs';

it('two tabs that open the old database at once adopt it once', { timeout: 120_000 }, async () => {
  const world = await World.start();
  try {
    const tabs = [await world.tab(), await world.tab()];
    const made = await tabs[0].evaluate(() => globalThis.page.fill(5));
    const both = await Promise.all(
      tabs.map((tab) => tab.evaluate((url) => globalThis.page.adopt(url), world.server.url)),
    );
    const changes = await world.pulled();
    assertSentOnce(changes);
    const inserts = changes.filter(({ op }) => op === 'insert').map(({ table, id }) => `${table}/${id}`);
    assert.equal(new Set(inserts).size, inserts.length, 'no record is there twice');
    const ids = new Set(changes.map(({ table, id }) => `${table}/${id}`));
    for (const [table, rows] of Object.entries(made).filter(([table]) => table !== 'drafts')) {
      for (const id of Object.keys(rows)) assert.ok(ids.has(`${table}/${id}`), `${table}/${id} is on the server`);
    }
    assert.equal(
      sum(both, ({ wholePulls }) => wholePulls),
      1,
      'everything was pulled once',
    );
    const told = both.map(({ events }) => events.filter(({ phase }) => phase === 'pulling').length);
    assert.deepEqual(told.sort(), [0, 1], 'one of them took it over');
    for (const { rows, letters, install } of both) {
      assert.deepEqual(rows, both[0].rows);
      assert.equal(install, both[0].install);
      assert.deepEqual(letters, both[0].letters);
    }
    assert.equal(both[0].letters.length, 4);
    assert.deepEqual(
      Object.entries(both[0].rows).map(([table, rows]) => [table, Object.keys(rows)]),
      Object.entries(made).map(([table, rows]) => [table, Object.keys(rows)]),
    );
  } finally {
    await world.stop();
  }
});

it('of three tabs that open a newer version at once, one upgrades the rows', { timeout: 120_000 }, async () => {
  const world = await World.start();
  try {
    const rows = 200;
    const tabs = [await world.tab(), await world.tab(), await world.tab()];
    await tabs[0].evaluate((rows) => globalThis.page.fillForUpgrade(rows), rows);
    const all = await Promise.all(tabs.map((tab) => tab.evaluate(() => globalThis.page.upgradeCounted())));
    for (const { counts } of all) assert.deepEqual(counts, Array(rows).fill(2));
    assert.equal(
      sum(all, ({ upgraded }) => upgraded),
      2 * rows,
      'each step ran in one of them',
    );
    assert.equal(new Set(all[0].edits).size, 2 * rows);
    assert.equal(all[0].edits.length, 2 * rows);
  } finally {
    await world.stop();
  }
});

function sum(items, count) {
  return items.reduce((total, item) => total + count(item), 0);
}
