// Comparing a device with the server: in a real browser, against the real server, in every tab.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('a device that is compared with the server', { timeout: 120_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  async function withTasks(...titles) {
    const device = await world.device();
    await device.signIn('Alice');
    await device.synced();
    for (const title of titles) await device.add(title);
    await device.synced();
    await device.showInDrawer('Try out');
    return device;
  }

  const check = (device, page = device.drawer) =>
    page.getByRole('button', { name: 'Check against the server' }).click();
  const says = (device, text, page = device.drawer) => page.getByRole('status').getByText(text).waitFor();

  /** Gives the title of every task another stamp, past the engine. */
  function restamp(page) {
    return page.evaluate(async () => {
      const done = (request) =>
        new Promise((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      for (const { name } of await indexedDB.databases()) {
        const database = await done(indexedDB.open(name));
        if (!database.objectStoreNames.contains('tasks')) continue;
        const tasks = database.transaction('tasks', 'readwrite').objectStore('tasks');
        for (const task of await done(tasks.getAll())) {
          // Fields that were written together share one mark.
          const title = { ...task.__fieldMeta?.title, at: '2020-01-01T00:00:00.000000Z' };
          task.__fieldMeta = { ...task.__fieldMeta, title };
          await done(tasks.put(task));
        }
        database.close();
      }
    });
  }

  it('hears_that_they_are_the_same_then_where_they_differ_and_is_mended', async () => {
    const device = await withTasks('Buy milk', 'Water the plants');
    await check(device);
    await says(device, /^This device and the server hold the same \d+ records?\.$/);
    await restamp(device.page);
    await check(device);
    await says(device, 'This device and the server differ.');
    await says(device, /^Tasks in your own list: \d+ on both sides, but not all of them are the same$/);
    await device.drawer.getByRole('button', { name: 'Read everything again' }).click();
    await says(device, /hold the same/);
    assert.deepEqual((await device.titles()).sort(), ['Buy milk', 'Water the plants']);
    device.assertQuiet();
  });

  it('is_told_so_in_a_tab_that_does_not_lead', async () => {
    const device = await withTasks('Feed the cat');
    const second = await device.openTab();
    await second.sees('Feed the cat');
    await second.showInDrawer('Try out');
    await check(second);
    await says(second, /hold the same/);
    await restamp(device.page);
    await check(second);
    await says(second, 'This device and the server differ.');
    await check(device);
    await says(device, 'This device and the server differ.');
    second.assertQuiet();
  });

  it('is_told_that_the_server_cannot_be_reached', async () => {
    const device = await withTasks('Call the bank');
    await device.setNetwork(false);
    await device.showInDrawer('Try out');
    await check(device);
    await device.page.getByText(/^Comparing with the server/).waitFor();
    await device.drawer
      .getByRole('status')
      .getByText(/hold the same|differ/)
      .waitFor({ state: 'detached' });
  });
});
