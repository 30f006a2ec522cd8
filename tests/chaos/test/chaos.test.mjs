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
/** Whether nobody asks for a round of sync after the calm: every second seed. */
const isLeftAlone = seed % 2 === 1;
/** Milliseconds that nobody hurries while the server is away, so that what is tried again waits ever longer. */
const away = 20_000;
/** Milliseconds until what failed is tried again at the latest, and from one round to the next. */
const [backOff, betweenRounds] = [60_000, 30_000];

describe('two devices amid everything that goes wrong', { timeout: 420_000 + seconds * 3000 }, () => {
  let world;

  before(async () => {
    world = await World.start({ isLong: seconds >= 120 });
  });
  after(() => world?.stop());

  it('come_to_the_same_and_lose_nothing', async () => {
    console.log(`SEED=${seed} CHAOS=${seconds}${isLeftAlone ? ', left alone after the calm' : ''}`);
    const tally = new Tally();
    await rage(world, randomOf(seed), seconds, tally);
    await world.phone.pull();
    const { sent } = world;

    if (isLeftAlone) await fail(world);
    await calm(world);
    for (const device of world.devices) await device.rest();
    if (isLeftAlone) await recover(world);
    else for (const device of [...world.devices, ...world.devices]) await settle(device);
    const { saved } = world.book;
    console.log(tally.report({ seed, seconds, saved, sent }));
    await check(world);
    assert.deepEqual(tally.weaknesses({ saved, sent }), []);
  });
});

/** The server is away while all write on, and nobody asks for anything. */
async function fail({ server, devices }) {
  await server.stop('SIGKILL');
  await pause(away);
  for (const device of devices) {
    const { state, pending } = await device.told('state');
    assert.ok(
      state !== 'synced' && pending > 0,
      `device ${device.name} has nothing to recover from: ${state}, ${pending}`,
    );
  }
}

/** Waits until all devices have sent what they have, by themselves, and then until each has had what the others sent. */
async function recover({ devices }) {
  await byItself(devices, backOff, () => true);
  const sent = Date.now();
  await byItself(devices, betweenRounds, ({ syncedAt }) => syncedAt > sent);
}

async function byItself(devices, ms, isSo) {
  // A busy machine has some time on top.
  const end = Date.now() + ms + 20_000;
  for (const device of devices) {
    for (;;) {
      const last = await device.told('state');
      if (last.state === 'synced' && last.pending === 0 && isSo(last)) break;
      if (Date.now() > end) assert.fail(`device ${device.name} does not recover: ${JSON.stringify(last)}`);
      await pause(500);
    }
  }
}

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
