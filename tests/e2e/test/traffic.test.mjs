// What a user seals is looked for in everything that two browsers exchange with the real server, and in the server's database.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, it } from 'node:test';
import { BareDevices } from '../support/bare-devices.mjs';
import { found, Traffic } from '../support/traffic.mjs';

/** Words that stand nowhere else; those of the long note come often enough that no page of a file cuts all of them. */
const words = {
  short: 'marmalade-in-a-short-note',
  long: 'marmalade-in-a-long-note',
  edited: 'marmalade-in-an-edit',
  deleted: 'marmalade-in-a-deleted-note',
  answered: 'marmalade-from-the-other-device',
};
const controls = { short: 'said-openly-in-short', long: 'said-openly-beside-much' };
const much = (word) => `${word} `.repeat(2_000);

let devices;

before(async () => {
  devices = await BareDevices.start();
});
after(() => devices?.stop());

it('a_secret_is_found_however_it_is_written_down', () => {
  const [key, word] = [randomBytes(32), 'a-word'];
  assert.deepEqual(found({ key }, [Buffer.from(`[${key.join(',')}]`)]), ['key']);
  for (const before of ['', 'x', 'xy', 'xyz']) {
    const hidden = Buffer.concat([Buffer.from(before), key, Buffer.from(word)]);
    for (const bytes of [hidden, ...['hex', 'base64', 'base64url'].map((form) => Buffer.from(hidden.toString(form)))]) {
      assert.deepEqual(found({ key, word, other: 'another' }, [bytes]), ['key', 'word']);
    }
  }
});

it('nothing_sealed_and_no_key_is_in_the_traffic_or_the_database_of_the_server', { timeout: 240_000 }, async () => {
  const traffic = new Traffic();
  const profile = () => devices.profile((context) => traffic.watch(context));
  const { url } = devices.server;
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];

  const first = await profile();
  await first.told('open', url, [...oldKey]);
  await first.told('put', { id: 'short', text: words.short, kind: controls.short });
  await first.told('put', { id: 'edited', text: 'to be replaced' });
  await first.told('put', { id: 'deleted', text: words.deleted });
  await first.told('sync');
  await first.told('put', { id: 'long', text: much(words.long), kind: controls.long });
  assert.equal(await first.told('edit', 'edited', words.edited), 'written');
  await first.told('delete', 'deleted');
  await first.told('sync');
  // Has the old key on its way to the server, sealed, and everything sealed anew.
  const { recoveryCode } = await first.told('rotate', [...newKey]);
  await first.told('sync');

  const second = await profile();
  await second.told('open', url, [...newKey]);
  await second.told('sync');
  const expected = { short: words.short, long: much(words.long), edited: words.edited };
  assert.deepEqual(await second.told('shown'), expected, 'what was written is there');
  await second.told('put', { id: 'answered', text: words.answered });
  await second.told('sync');
  await first.told('sync');
  assert.deepEqual(await first.told('shown'), { ...expected, answered: words.answered });

  const everything = await traffic.everything();
  const files = await devices.server.databaseFiles();
  const database = files.map(({ bytes }) => bytes);

  // What is not sealed is found, so what is not found is not there.
  assert.ok(traffic.compressed > 0, 'a body was compressed');
  assert.ok(traffic.frames.length > 0, 'frames were seen');
  assert.deepEqual(found(controls, traffic.sent), Object.keys(controls));
  assert.deepEqual(found(controls, traffic.answers), Object.keys(controls));
  assert.deepEqual(found(controls, database), Object.keys(controls));
  assert.ok(
    files.some(({ name, bytes }) => name.endsWith('-wal') && bytes.length > 0),
    'the newest changes are looked at, too',
  );

  const secrets = { ...words, oldKey, newKey, recoveryCode, codeWithoutDashes: recoveryCode.replaceAll('-', '') };
  assert.deepEqual(found(secrets, everything), [], 'in the traffic');
  assert.deepEqual(found(secrets, database), [], 'in the database');
});
