// Two devices of one person write and sync while requests are cut, delayed, repeated, falsified and lost, the server is killed and tabs
// die: in the end both hold what the server does, and nothing that was saved is missing.
//
// CHAOS: for how many seconds (30). SEED: repeats the choices of a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { randomOf } from '../../support/page/random.js';
import { differences, unsent } from '../../support/replicas.mjs';
import { calm, rage } from '../support/chaos.mjs';
import { Tally } from '../support/tally.mjs';
import { World } from '../support/world.mjs';

const seconds = Number(process.env.CHAOS ?? 30);
const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
/** How often a device is asked to sync until it has nothing to send any more. */
const tries = 30;

describe('two devices amid everything that goes wrong', { timeout: 240_000 + seconds * 3000 }, () => {
  let world;

  before(async () => {
    world = await World.start({ isLong: seconds >= 120 });
  });
  after(() => world?.stop());

  it('come_to_the_same_and_lose_nothing', async () => {
    console.log(`SEED=${seed} CHAOS=${seconds}`);
    const tally = new Tally();
    await rage(world, randomOf(seed), seconds, tally);
    await world.phone.pull();
    const { sent } = world;

    await calm(world);
    for (const device of world.devices) await device.rest();
    for (const device of [...world.devices, ...world.devices]) await settle(device);
    const { saved } = world.book;
    console.log(tally.report({ seed, seconds, saved, sent }));
    await check(world);
    assert.deepEqual(tally.weaknesses({ saved, sent }), []);
  });
});

async function settle(device) {
  let last;
  for (let tried = 0; tried < tries; tried += 1) {
    try {
      last = await device.told('settle');
      if (last.state === 'synced' && last.pending === 0) return;
    } catch (error) {
      last = error;
    }
    await pause(1000);
  }
  assert.fail(`device ${device.name} does not come to rest: ${JSON.stringify(last)} ${last}`);
}

async function check({ book, devices, phone, titles }) {
  none('complaints', book.trouble);
  await phone.pull();
  for (const device of devices) {
    const rows = JSON.parse(await device.told('look'));
    none(`device ${device.name} and the server differ`, differences(rows, phone));
    assert.equal(unsent(rows), 0, 'unsent changes after syncing');
    none(`device ${device.name} lacks`, book.missingIn(JSON.parse(await device.told('read'))));
    assert.equal(await device.told('check'), 'equal', 'what the server says of it');
  }
  none('never sent', book.neverSent(titles));
  none('not inserted once', book.notOnce(phone.inserts));
}

function none(what, list) {
  assert.equal(list.length, 0, `${what}:\n${list.slice(0, 20).join('\n')}\n(${list.length} in all)`);
}
