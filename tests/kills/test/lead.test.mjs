// Two tabs of one profile of a real Chromium: one of them has the connection; the other takes over where it is frozen; and one that
// is hidden sends at once what it has.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startBrowser } from '../../support/chromium.mjs';
import { FaultyProxy } from '../../support/faulty-proxy.mjs';
import { Profile } from '../support/bare.mjs';
import { crossings, Ear, holdsAll } from '../support/ear.mjs';
import { World } from '../support/world.mjs';

/** Milliseconds that something may take which happens by itself. */
const patience = 60_000;
/** Milliseconds after which a tab that shows no sign of life is replaced. */
const signOfLife = 15_000;

describe('two tabs of one profile', { timeout: 300_000 }, () => {
  let world;
  let browser;
  let profile;
  let proxy;

  before(async () => {
    world = await World.start();
    browser = await startBrowser();
    proxy = await FaultyProxy.start(world.server.url);
    world.letConnectTo(proxy.url);
  });
  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await world?.stop();
  });
  beforeEach(async () => {
    profile = await Profile.open(browser);
  });
  afterEach(() => profile.close());

  it('push_one_at_a_time_also_where_the_leading_one_is_frozen_and_runs_again', async () => {
    const [leading, other] = [await open('a', proxy.url), await open('b', proxy.url)];
    await work(leading);
    await until('the first tab pushes', () => leading.ear.pushes.length > 3);
    await leading.told('rest');
    assert.equal(await leading.told('settle'), 0);
    assert.equal(other.ear.pushes.length, 0, 'the second one does not');

    // Frozen while it waits for an answer, and not amid a transaction: how soon the other tab then gets the database is the browser's.
    const { length: pushed } = leading.ear.pushes;
    proxy.become('held');
    await other.told('add', 'frozen-held');
    await until('it is amid another push', () => leading.ear.pushes.length > pushed);
    await pause(1000);
    await leading.tab.freeze();
    const frozen = Date.now();
    leading.ear.deafen(leading.tab, frozen);
    proxy.become(null);
    await work(other);
    await until('the other tab pushes', () => other.ear.pushes.length > 0);
    const replaced = other.ear.pushes[0].begins - frozen;
    await until('it was frozen for long', () => Date.now() - frozen > signOfLife + 5000);

    const thawed = Date.now();
    const { size: saved } = leading.ear.saved;
    await leading.tab.thaw();
    await work(leading);
    const { length: taken } = other.ear.pushes;
    await until('it writes again', () => leading.ear.saved.size > saved + 20);
    await until('the other tab goes on', () => other.ear.pushes.length > taken + 3);
    for (const { told } of [leading, other]) await told('rest');
    for (const { told } of [leading, other]) assert.equal(await told('settle'), 0, 'all is sent');
    console.log(
      `replaced after ${Math.round(replaced)} ms; pushes: ${leading.ear.pushes.length}, ${other.ear.pushes.length}`,
    );
    // What it had taken off the log when it was frozen may leave then, once.
    const late = leading.ear.pushes.filter(({ begins }) => begins > thawed + 1000);
    assert.deepEqual(late, [], 'it leads no more');
    assert.deepEqual(crossings([leading, other].flatMap(({ ear }) => ear.pushes)), []);
    await holdsAll(world, [leading, other], 'frozen');
  });

  it('have_one_connection_and_ask_for_a_token_in_one_of_them', async () => {
    const before = proxy.opened;
    const [leading, other] = [await open('a', proxy.url), await open('b', proxy.url)];
    await leading.told('settle');
    await other.told('add', 'one-b');
    await until('it is pushed', () => leading.ear.pushes.length > 0);
    assert.equal(await other.told('settle'), 0);
    await until('there is a connection', () => proxy.standing > 0);
    // Longer than from one round to the next, which is 30 s.
    for (const end = Date.now() + 35_000; Date.now() < end; await pause(100)) assert.equal(proxy.standing, 1);
    assert.equal(proxy.opened - before, 1, 'one was opened');
    assert.ok(leading.ear.asked > 0, 'the first tab was asked for a token');
    assert.equal(other.ear.asked, 0, 'the second one was not');
  });

  it('ask_once_for_another_token_where_theirs_is_refused', async () => {
    const tabs = [await open('a', proxy.url), await open('b', proxy.url)];
    const asked = () => tabs.reduce((sum, { ear }) => sum + ear.asked, 0);
    for (const { told } of tabs) assert.equal(await told('settle'), 0);
    const before = asked();
    let renewed = false;
    let refused = 0;
    proxy.become((path) => {
      if (path === '/dev/login') renewed = true;
      else if (!renewed) refused += 1;
      return renewed ? null : 'forbidden';
    });
    await Promise.all(tabs.map(({ ear, told }) => told('add', `refused-${ear.name}`)));
    for (const { told } of tabs) assert.equal(await told('settle'), 0, 'all is sent');
    assert.ok(refused > 0, 'the token was refused');
    assert.equal(asked() - before, 1);
  });

  it('send_at_once_what_waits_when_they_are_hidden', async () => {
    const behind = await profile.newTab();
    const writing = await open('a');
    await writing.told('add', 'hidden-1');
    assert.equal(await writing.told('settle'), 0);
    await writing.told('holdTimers');
    const { length: pushed } = writing.ear.pushes;
    await writing.told('add', 'hidden-2');
    await pause(3000);
    assert.equal(writing.ear.pushes.length, pushed, 'it waits');
    await behind.show();
    await until('it is pushed', () => writing.ear.pushes.length > pushed, 10_000);
  });

  function work({ ear, told }) {
    return told('work', ear.name, 'frozen', ear.begun + 1);
  }

  /** Opens a tab on the one database of the profile; `server`: where it finds it. */
  async function open(name, server = world.server.url) {
    const tab = await profile.newTab(new URL('tabs.html', world.address).href);
    const ear = new Ear(name);
    tab.onTold = (what) => ear.hear(what, tab);
    await until('the page is there', () => tab.evaluate("'tab' in globalThis"));
    const told = (method, ...given) => tab.evaluate(`globalThis.tab.${method}(...${JSON.stringify(given)})`);
    await told('open', server);
    return { tab, ear, told };
  }
});

/** Waits until something is so. */
async function until(what, isSo, ms = patience) {
  for (const end = Date.now() + ms; !(await isSo()); await pause(20)) {
    if (Date.now() > end) assert.fail(`not within ${ms} ms: ${what}`);
  }
}
