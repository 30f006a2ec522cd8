// Servers that go away, and servers that answer nonsense: nothing is lost, and the indicator says what is going on.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { FaultyProxy } from '../../support/faulty-proxy.mjs';
import { World } from '../support/world.mjs';

const faults = ['html', 'garbage', 'another shape', 'held', 'cut midway'];
/** Milliseconds until the engine must have noticed that the server is back: its longest pause, and then some. */
const recovery = 90_000;

describe('a server that goes away', { timeout: 240_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  for (const [how, signal] of [
    ['stopped', 'SIGTERM'],
    ['killed', 'SIGKILL'],
  ]) {
    it(`nothing_is_lost_when_the_server_is_${how}_and_comes_back`, async () => {
      const [laptop, phone] = [await world.device(), await world.device()];
      for (const device of [laptop, phone]) {
        await device.signIn('Alice');
        await device.synced();
      }
      await laptop.add(`Before it was ${how}`);
      await phone.sees(`Before it was ${how}`);

      await world.server.stop(signal);
      await laptop.add(`While it was ${how}`);
      await phone.edit(`Before it was ${how}`, { Notes: 'edited meanwhile' });
      for (const device of [laptop, phone]) await device.syncs(['offline', 'error'], { pending: 1 });

      await world.server.start();
      for (const device of [laptop, phone]) {
        await device.synced(recovery);
        await device.sees(`While it was ${how}`, recovery);
        await device.item(`Before it was ${how}`).getByText('Has notes').waitFor({ timeout: recovery });
        device.assertQuiet({ network: true });
      }
    });
  }

  it('whoever_signs_in_before_the_server_is_there_gets_their_key_when_it_is', async () => {
    await world.server.stop();
    const laptop = await world.device();
    await laptop.pane.getByRole('button', { name: 'Continue as Alice' }).click();
    await laptop.pane.getByText('Asking the server for your key…').waitFor();
    await laptop.syncs(['offline', 'error'], { pending: 0 });
    await world.server.start();
    await laptop.locks(['setup', 'locked'], recovery);
    await laptop.openKey('Alice');
    await laptop.add('Now that the server is there');
    await laptop.synced(recovery);
    laptop.assertQuiet({ network: true });
  });
});

describe('a server that answers nonsense', { timeout: 600_000 }, () => {
  let world;
  let proxy;

  before(async () => {
    world = await World.start();
    proxy = await FaultyProxy.start(world.server.url);
  });
  after(async () => {
    await proxy?.stop();
    await world?.stop();
  });
  afterEach(() => world.leave());

  for (const fault of faults) {
    it(`${fault.replaceAll(' ', '_')}: no_local_data_changes_and_sync_recovers`, async () => {
      const laptop = await world.device({ server: proxy.url });
      await laptop.signIn('Alice');
      await laptop.add(`Safe before ${fault}`);
      await laptop.synced();
      const titles = await laptop.titles();

      proxy.become(fault);
      await laptop.add(`Written during ${fault}`);
      // An answer that never comes is noticed late: until then the engine is waiting for it.
      const noticed = fault === 'held' ? ['syncing', 'offline', 'error'] : ['offline', 'error'];
      await laptop.syncs(noticed, { pending: 1 });
      await laptop.sees(`Written during ${fault}`);
      assert.deepEqual(await laptop.titles(), [...titles, `Written during ${fault}`].sort());
      assert.ok(proxy.hits.get(fault) > 0, 'the engine asked the broken server');

      proxy.become(null);
      await laptop.synced(recovery);
      assert.deepEqual(await laptop.titles(), [...titles, `Written during ${fault}`].sort());
      const phone = await world.device();
      await phone.signIn('Alice');
      await phone.sees(`Written during ${fault}`);
      laptop.assertQuiet({ network: true });
    });
  }
});
