// A device whose app allows no WebSocket hears of news by a stream of the real server, which brings the changes themselves.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';

/** Milliseconds: far less than until the next poll, and far more than any machine needs. */
const byConnection = 10_000;

let devices;

before(async () => {
  devices = await BareDevices.start('changes.js');
});
after(() => devices?.stop());

it('changes_come_by_stream_and_are_not_asked_for', { timeout: 120_000 }, async () => {
  const { url } = devices.server;
  const [writer, reader] = [await devices.profile(), await devices.profile()];
  const sockets = [];
  reader.page.on('websocket', (socket) => sockets.push(socket.url()));
  await writer.told('open', url);
  await reader.told('open', url, ['stream']);
  await reader.told('sync');
  const heard = (count) =>
    reader.page.waitForFunction((count) => globalThis.heard.length >= count, count, { timeout: byConnection });

  await writer.told('write', 'notes', 'add', { id: 'first', title: 'ä€😀' });
  await heard(1);
  const pulls = async () => (await reader.told('asked')).filter((path) => path === '/v2/pull').length;
  const before = await pulls();
  for (let n = 0; n < 5; n += 1) {
    await writer.told('write', 'notes', 'add', { id: `n${n}`, title: `${n}` });
    await heard(n + 2);
  }
  assert.ok((await pulls()) - before <= 1, 'but for one poll');
  assert.equal((await reader.told('read', 'notes', 'first')).title, 'ä€😀');
  assert.deepEqual(
    (await reader.told('asked')).filter((path) => path === '/v2/stream'),
    ['/v2/stream'],
  );
  assert.deepEqual(sockets, []);
});
