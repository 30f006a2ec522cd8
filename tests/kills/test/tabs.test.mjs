// Five tabs of a real Chromium write to one database while tabs are closed and opened: one of them pushes at a time, every change is
// stored once, and nothing that was saved is missing.
//
// RUNS says how often (10).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startBrowser } from '../../support/chromium.mjs';
import { World } from '../support/world.mjs';

const runs = Number(process.env.RUNS ?? 10);
const tabs = 5;
/** Milliseconds that one step of a page may take. */
const patience = 30_000;

describe('five tabs on one database', { timeout: 60_000 + runs * 60_000 }, () => {
  let world;
  let browser;

  before(async () => {
    world = await World.start();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  it('push_one_at_a_time_and_lose_nothing', async () => {
    let [saved, pushed] = [0, 0];
    for (let run = 0; run < runs; run += 1) {
      const done = await once(`run${run}`);
      saved += done.saved;
      pushed += done.pushed;
    }
    console.log(`${runs} runs of ${tabs} tabs: ${saved} transactions saved, ${pushed} pushes, none beside another`);
    // A run in which nothing happened shows nothing.
    assert.ok(saved > runs * 50 && pushed > runs * 2, `${saved} saved, ${pushed} pushes`);
  });

  async function once(shared) {
    const context = await browser.newContext();
    try {
      const all = await Promise.all(
        Array.from({ length: tabs }, (_, at) => Tab.open(context, world, `t${at}`, shared)),
      );
      await pause(600);
      // The first one leads: it goes first, and comes back when another one has taken over.
      for (const tab of [all[0], all[1]]) {
        await tab.close();
        await pause(300);
        await tab.open();
        await pause(300);
      }
      await Promise.all(all.map((tab) => tab.rest()));
      for (const tab of all) assert.equal(await tab.page.evaluate(() => globalThis.tab.settle()), 0, 'all is sent');
      await check(all, shared);
      return { saved: sum(all, (tab) => tab.saved.size), pushed: sum(all, (tab) => tab.pushes.length) };
    } finally {
      await context.close();
    }
  }

  async function check(all, shared) {
    await world.phone.pull();
    const mine = [...world.phone.records.keys()].filter((key) => key.startsWith(`tasks/${shared}-`));
    const onServer = new Set(mine.map((key) => key.slice('tasks/'.length)));
    const inserts = world.phone.inserts.filter((key) => key.startsWith(`tasks/${shared}-`));
    assert.equal(inserts.length, onServer.size, 'every record was inserted once');
    const fields = world.phone.records.get(`tasks/${shared}`);
    for (const tab of all) {
      assert.deepEqual(tab.complaints, [], `${tab.name} complains`);
      const missing = [...tab.saved].filter((n) => !onServer.has(`${shared}-${tab.name}-${n}`));
      assert.deepEqual(missing, [], `the server has what ${tab.name} saved`);
      const number = fields.get(tab.name).value;
      assert.ok(number >= Math.max(...tab.saved) && number <= tab.begun, `${tab.name}: ${number}`);
      const shown = await tab.page.evaluate((begin) => globalThis.tab.look(begin), `${shared}-`);
      assert.deepEqual(shown.sort(), [...onServer].sort(), `${tab.name} shows everything`);
    }
    assert.deepEqual(crossings(all.flatMap(({ pushes }) => pushes)), [], 'one tab pushes at a time');
  }
});

class Tab {
  /** The numbers of the writes that were shown as saved. */
  saved = new Set();
  begun = 0;
  pushes = [];
  complaints = [];
  page;
  #context;
  #world;
  #shared;

  static async open(context, world, name, shared) {
    const tab = new Tab();
    tab.name = name;
    tab.#context = context;
    tab.#world = world;
    tab.#shared = shared;
    await tab.open();
    return tab;
  }

  async open() {
    this.page = await this.#context.newPage();
    this.page.setDefaultTimeout(patience);
    this.page.on('pageerror', (error) => this.complaints.push(String(error)));
    const session = await this.#context.newCDPSession(this.page);
    session.on('Runtime.bindingCalled', ({ payload }) => this.#hear(JSON.parse(payload)));
    await session.send('Runtime.enable');
    await session.send('Runtime.addBinding', { name: 'tell' });
    await this.page.goto(new URL('tabs.html', this.#world.address).href);
    await this.page.waitForFunction(() => 'tab' in globalThis);
    await this.page.evaluate((server) => globalThis.tab.open(server), this.#world.server.url);
    const what = [this.name, this.#shared, this.begun + 1];
    await this.page.evaluate((what) => globalThis.tab.work(...what), what);
  }

  #hear({ begun, saved, broken, push, begins, ends }) {
    if (begun) this.begun = begun;
    if (saved) this.saved.add(saved);
    if (broken) this.complaints.push(broken);
    if (begins) this.pushes.push({ tab: this.name, page: this.page, push, begins });
    if (ends) this.pushes.find((one) => one.page === this.page && one.push === push).ends = ends;
  }

  /** Closes it in the middle of what it does: a push under way ends with it. */
  async close() {
    const page = this.page;
    const closing = Date.now();
    await page.close();
    for (const push of this.pushes) if (push.page === page) push.ends ??= Math.max(closing, push.begins);
  }

  rest() {
    return this.page.evaluate(() => globalThis.tab.rest());
  }
}

/** Pushes that began while one of another page was under way. */
function crossings(pushes) {
  const sorted = pushes.toSorted((a, b) => a.begins - b.begins);
  const crossed = sorted.filter((push, at) =>
    sorted.slice(0, at).some((other) => other.page !== push.page && other.ends > push.begins),
  );
  return crossed.map(({ tab, push, begins }) => ({ tab, push, begins }));
}

function sum(items, count) {
  return items.reduce((total, item) => total + count(item), 0);
}
