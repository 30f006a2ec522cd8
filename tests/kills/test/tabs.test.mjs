// Five tabs of a real Chromium write to one database while tabs are closed and opened: one of them pushes at a time, every change is
// stored once, and nothing that was saved is missing.
//
// RUNS says how often (10).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startBrowser } from '../../support/chromium.mjs';
import { crossings, Ear, holdsAll } from '../support/ear.mjs';
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
      await Promise.all(all.map((tab) => tab.told('rest')));
      for (const tab of all) assert.equal(await tab.told('settle'), 0, 'all is sent');
      await check(all, shared);
      return { saved: sum(all, ({ ear }) => ear.saved.size), pushed: sum(all, ({ ear }) => ear.pushes.length) };
    } finally {
      await context.close();
    }
  }

  async function check(all, shared) {
    await holdsAll(world, all, shared);
    assert.deepEqual(crossings(all.flatMap(({ ear }) => ear.pushes)), [], 'one tab pushes at a time');
  }
});

class Tab {
  ear;
  page;
  #context;
  #world;
  #shared;

  static async open(context, world, name, shared) {
    const tab = new Tab();
    tab.ear = new Ear(name);
    tab.#context = context;
    tab.#world = world;
    tab.#shared = shared;
    await tab.open();
    return tab;
  }

  async open() {
    const page = await this.#context.newPage();
    this.page = page;
    page.setDefaultTimeout(patience);
    page.on('pageerror', (error) => this.ear.complaints.push(String(error)));
    const session = await this.#context.newCDPSession(page);
    session.on('Runtime.bindingCalled', ({ payload }) => this.ear.hear(JSON.parse(payload), page));
    await session.send('Runtime.enable');
    await session.send('Runtime.addBinding', { name: 'tell' });
    await page.goto(new URL('tabs.html', this.#world.address).href);
    await page.waitForFunction(() => 'tab' in globalThis);
    await this.told('open', this.#world.server.url);
    await this.told('work', this.ear.name, this.#shared, this.ear.begun + 1);
  }

  /** Closes it in the middle of what it does: a push under way ends with it. */
  async close() {
    const { page } = this;
    const closing = Date.now();
    await page.close();
    this.ear.deafen(page, closing);
  }

  /** Has the page do something and gives its answer. */
  told = (method, ...given) =>
    this.page.evaluate(([method, given]) => globalThis.tab[method](...given), [method, given]);
}

function sum(items, count) {
  return items.reduce((total, item) => total + count(item), 0);
}
