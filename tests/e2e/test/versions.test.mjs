// Two tabs of one profile, the newer one with a newer version of the app: the old one lets go of the database whatever it
// does just then, says so, and loses nothing that it acknowledged; the new one comes to its version.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';

/** Milliseconds that one test may take. */
const timeout = 240_000;

let devices;
let old;
let young;

before(async () => {
  devices = await BareDevices.start('versions.js');
});
after(() => devices?.stop());
beforeEach(async () => {
  old = await devices.profile();
  young = await old.tab();
});
afterEach(() => old.context.close());

/** What becomes of the calls of a tab whose database a newer one wanted. */
async function refusesEverything(tab) {
  assert.deepEqual(await tab.told('events'), ['versionchange', 'closed']);
  for (const call of ['read', 'transact', 'sync']) assert.equal(await tab.told(call), 'closed', call);
  assert.equal(await tab.told('add', 'too late'), 'closed');
  await tab.told('close');
  assert.deepEqual(await tab.told('events'), ['versionchange', 'closed'], 'that it is closed is told once');
}

it('an_idle_tab_lets_go_and_says_so', { timeout }, async () => {
  assert.equal(await old.told('open', 1), 'open');
  assert.equal(await old.told('add', 'a'), 'a');
  await old.told('follow');
  await old.page.waitForFunction(() => globalThis.shown?.count === 1);
  assert.equal(await young.told('open', 2), 'open');
  assert.deepEqual(await young.told('events'), []);
  assert.equal(await young.told('add', 'b'), 'b');
  await refusesEverything(old);
  assert.equal((await old.told('live')).count, 1, 'what it shows stays');
  assert.deepEqual(await young.told('notes'), { a: 1, b: 0 });
  assert.equal(await young.told('unsent'), 3, 'two notes, and the mark on one of them');
});

it('a_tab_amid_its_writes_keeps_those_that_were_acknowledged', { timeout }, async () => {
  assert.equal(await old.told('open', 1), 'open');
  await old.told('write');
  await old.page.waitForFunction(() => globalThis.acknowledged.length > 20);
  assert.equal(await young.told('open', 2), 'open');
  const { end, acknowledged } = await old.told('written');
  assert.equal(end, 'closed');
  await refusesEverything(old);
  const notes = await young.told('notes');
  assert.deepEqual(Object.keys(notes).sort(), acknowledged.sort());
  assert.deepEqual(new Set(Object.values(notes)), new Set([1]), 'each was upgraded once');
  assert.equal(await young.told('unsent'), 2 * acknowledged.length, 'and is in the log, as its upgrade is');
});

it('a_transaction_that_is_held_open_ends_as_it_would_and_the_new_tab_waits_for_it', { timeout }, async () => {
  assert.equal(await old.told('open', 1), 'open');
  await old.told('hold');
  await young.told('begin', 2);
  await old.page.waitForFunction(() => globalThis.device.events().includes('closed'));
  assert.equal(await old.told('add', 'too late'), 'closed');
  await young.page.waitForFunction(() => globalThis.device.events().includes('blocked'));
  assert.equal(await old.told('letGo'), 'done');
  assert.equal(await young.told('opened'), 'open');
  await refusesEverything(old);
  assert.deepEqual(await young.told('notes'), { held: 1, 'held to the end': 1 });
});

it('a_tab_whose_server_does_not_answer_hands_sync_over_and_nothing_is_sent_twice', { timeout }, async () => {
  const { server } = devices;
  assert.equal(await old.told('open', 1, server.url, true), 'open');
  assert.equal(await old.told('add', 'a'), 'a');
  await old.told('beginSync');
  await old.page.waitForFunction(() => globalThis.pushing);
  assert.equal(await young.told('open', 2, server.url), 'open');
  assert.equal(await old.told('synced'), 'closed', 'what waited for the server waits no more');
  // An app may well start sync again when its window is looked at: what has no database leads nobody.
  await old.told('start');
  assert.equal(await young.told('add', 'b'), 'b');
  assert.equal(await young.told('sync'), 'done');
  assert.equal(await young.told('unsent'), 0);
  await refusesEverything(old);
  const another = await devices.profile();
  assert.equal(await another.told('open', 2, server.url), 'open');
  assert.equal(await another.told('sync'), 'done');
  assert.deepEqual(await another.told('notes'), { a: 1, b: 0 });
});

it('a_tab_that_follows_the_leader_waits_no_more_when_both_are_old', { timeout }, async () => {
  const { server } = devices;
  const follower = await old.tab();
  assert.equal(await old.told('open', 1, server.url, true), 'open');
  assert.equal(await old.told('add', 'c'), 'c');
  await old.page.waitForFunction(() => globalThis.pushing);
  assert.equal(await follower.told('open', 1, server.url), 'open');
  await follower.told('beginSync');
  assert.equal(await young.told('open', 3, server.url), 'open');
  // Its own database goes, or its leader says that it leads no more; whichever it hears first.
  const end = await follower.told('synced');
  assert.ok(['closed', 'sync_failed'].includes(end), end);
  for (const tab of [old, follower]) await refusesEverything(tab);
  assert.equal(await young.told('sync'), 'done');
});

it('tabs_of_two_versions_that_open_at_once_both_come_to_an_end', { timeout }, async () => {
  await old.told('begin', 1);
  await young.told('begin', 2);
  assert.equal(await young.told('opened'), 'open');
  const older = await old.told('opened');
  // The old one was faster and had to go, at once or while it opened; or it found the newer database, which has all it needs.
  assert.ok(['open', 'closed'].includes(older), older);
  if ((await old.told('events')).includes('closed'))
    assert.equal(older === 'closed' ? older : await old.told('add', 'a'), 'closed');
  else assert.equal(await old.told('add', 'a'), 'a');
  assert.equal(await young.told('add', 'b'), 'b');
});
