// The key is changed on one of three real browsers: killed while everything is sealed anew, with a device that was offline.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';

const [oldKey, newKey] = [1, 2];
const many = 1200;
const passphrase = 'eleven jars of marmalade';
const ids = Array.from({ length: many }, (_, number) => `n${number}`);
const secretOf = (id) => `the secret of ${id}`;

let devices;

before(async () => {
  devices = await BareDevices.start();
});
after(() => devices?.stop());

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
  const [first, away] = [await devices.profile(), await devices.profile()];
  await first.told('open', devices.server.url, oldKey);
  await first.told('add', ids);
  await first.told('sync');
  await away.told('open', devices.server.url, oldKey);
  await away.told('sync');
  await away.context.setOffline(true);
  assert.equal(await away.told('edit', 'n0', 'written while away'), 'written');

  const kept = await first.told('rotate', newKey);
  assert.equal(kept.generation, 2);
  // In the middle of sealing everything anew.
  await first.restart();
  await first.told('open', devices.server.url, newKey);
  await until('everything is sealed anew', async () => (await first.told('sealedUnder')).join() === '0002');
  await first.told('sync');
  assert.deepEqual(await first.told('shown'), Object.fromEntries(ids.map((id) => [id, secretOf(id)])));

  await away.context.setOffline(false);
  await away.told('sync');
  await until('the old key is found out', async () => (await away.told('state')) === 'outdated');
  assert.equal(await away.told('edit', 'n1', 'under the old key'), 'key_outdated');
  assert.equal(await away.told('wrap', passphrase), 'key_outdated');
  await away.told('unlock', kept);
  assert.equal(await away.told('edit', 'n1', 'under the new key'), 'written');
  await away.told('sync');
  await first.told('sync');

  const fresh = await devices.profile();
  // A wrap that was made after the rotation opens everything, too.
  const wrapped = await first.told('wrap', passphrase);
  await fresh.told('open', devices.server.url, { passphrase, wrapped });
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
