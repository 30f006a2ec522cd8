// A person chooses in the demo how a device hears of news: the engine then uses that, and the tab remembers it.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { World } from '../support/world.mjs';

/** Milliseconds: far less than until the next poll, and far more than any machine needs. */
const byConnection = 10_000;

let world;

before(async () => {
  world = await World.start();
});
after(() => world?.stop());

it('what_is_chosen_is_used_at_once_and_after_a_reload', { timeout: 180_000 }, async () => {
  const [writer, reader] = [await world.device(), await world.device()];
  const asked = [];
  reader.page.on('websocket', (socket) => asked.push(new URL(socket.url()).pathname));
  reader.page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const hears = () => [...new Set(asked)].filter((path) => /\/(ws|stream)$/.test(path));
  for (const device of [writer, reader]) {
    await device.signIn('Alice');
    await device.synced();
  }
  assert.deepEqual(hears(), ['/ws']);

  asked.length = 0;
  await reader.showInDrawer('Try out');
  const choice = (name) => reader.drawer.getByRole('button', { name, exact: true });
  await choice('Stream').focus();
  await reader.page.keyboard.press('Enter');
  await reader.drawer.getByText('Chosen: Stream.').waitFor();
  await choice('Stream').and(reader.page.locator(':focus')).waitFor();
  await reader.locks(['unlocked']);
  await reader.synced();
  await writer.add('Comes by stream');
  await reader.sees('Comes by stream', byConnection);
  assert.deepEqual(hears(), ['/v2/stream']);

  asked.length = 0;
  await reader.page.reload();
  await reader.synced();
  await writer.add('Comes after the reload');
  await reader.sees('Comes after the reload', byConnection);
  assert.deepEqual(hears(), ['/v2/stream']);

  asked.length = 0;
  await reader.showInDrawer('Try out');
  await choice('Asking').click();
  await reader.drawer.getByText('Chosen: Asking.').waitFor();
  await reader.synced();
  await writer.add('Is asked for');
  await writer.synced();
  await reader.syncNow();
  await reader.sees('Is asked for');
  assert.deepEqual(hears(), []);
  for (const device of [writer, reader]) device.assertQuiet();
  await world.leave();
});
