// What another device did is told by `change` events in every tab, also in those that do not lead and never ask the server.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';

let devices;

before(async () => {
  devices = await BareDevices.start('changes.js');
});
after(() => devices?.stop());

/** The next events of a tab until it has heard of so many rows, each row on a line of its own, sorted. */
async function rowsHeard(tab, count) {
  await tab.page.waitForFunction((count) => globalThis.heard.flatMap(({ ids }) => ids).length >= count, count);
  const changes = await tab.told('clear');
  const line = (change, id) =>
    `${change.table}/${id} ${change.op} ${change.origin} [${[...change.fields].sort()}] ${change.here ? 'here' : 'elsewhere'}`;
  return changes.flatMap((change) => change.ids.map((id) => line(change, id))).sort();
}

it('a_tab_that_does_not_lead_is_told_what_another_device_did', { timeout: 120_000 }, async () => {
  const { url } = devices.server;
  const [other, leader] = [await devices.profile(), await devices.profile()];
  await other.told('open', url);
  await leader.told('open', url);
  await leader.told('sync');
  const follower = await leader.tab();
  await follower.told('open', url);
  const told = async (count, lines) => {
    const elsewhere = lines.map((line) => `${line} elsewhere`);
    assert.deepEqual(await rowsHeard(follower, count), elsewhere);
    assert.deepEqual(
      await rowsHeard(leader, count),
      lines.map((line) => `${line} here`),
    );
  };

  await other.told('write', 'notes', 'bulkAdd', [
    { id: 'a', title: 'A' },
    { id: 'b', title: 'B' },
  ]);
  await told(2, ['notes/a insert server-replay []', 'notes/b insert server-replay []']);
  await other.told('write', 'notes', 'put', { id: 'a', title: 'A2', done: true });
  await told(1, ['notes/a update server-replay [done,title]']);
  await other.told('together');
  await told(3, [
    'notes/a update server-replay [title]',
    'notes/b update server-replay [done]',
    'tags/t insert server-replay []',
  ]);
  await other.told('write', 'notes', 'delete', 'b');
  await told(1, ['notes/b delete server-replay []']);
  await other.told('write', 'notes', 'restore', 'b');
  await told(1, ['notes/b restore server-replay [deletedAt]']);
  // It is there to be read when the event comes.
  assert.equal((await follower.told('read', 'notes', 'a')).title, 'A3');
  assert.deepEqual(await follower.told('asked'), [], 'the follower never asked the server');
  assert.notDeepEqual(await leader.told('asked'), []);
});
