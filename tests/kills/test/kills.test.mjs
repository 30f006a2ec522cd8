// A real Chromium is killed again and again while a page writes and syncs; nothing that was saved is lost or torn.
//
// KILLS says how often (50), SEED repeats the choices of a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { randomOf } from '../../support/page/random.js';
import { Ledger } from '../support/ledger.mjs';
import { rounds } from '../support/plan.mjs';
import { Rounds } from '../support/rounds.mjs';
import { Tally } from '../support/tally.mjs';
import { World } from '../support/world.mjs';

const kills = Number(process.env.KILLS ?? 50);
const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
/** Milliseconds that one kill may take with all that belongs to it, on a busy machine. */
const patience = 15_000;

describe('a browser that is killed', { timeout: 60_000 + kills * patience }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  it('keeps_what_it_saved_and_misses_nothing_that_synced', async () => {
    console.log(`SEED=${seed} KILLS=${kills}`);
    const random = randomOf(seed);
    const tally = new Tally();
    const run = new Rounds(world, random, new Ledger(), tally);
    const begun = performance.now();
    try {
      for (const round of rounds(random, kills)) await run.run(round);
      await run.finish();
    } finally {
      console.log(tally.report(seed, (performance.now() - begun) / 1000));
    }
    assert.deepEqual(tally.weaknesses(), []);
  });
});
