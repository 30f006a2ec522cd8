// One user on two browser profiles, and another user beside them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { root } from '../../support/places.mjs';
import { World } from '../support/world.mjs';

/** Milliseconds: far less than until the next poll, and far more than any machine needs. */
const byConnection = 10_000;

/** How often a device asks the server by itself, in milliseconds, as the engine has it. */
async function pollInterval() {
  const source = await readFile(join(root, 'crate/src/protocol/machine/mod.rs'), 'utf8');
  return Number(/const POLL_MS: u64 = ([\d_]+);/.exec(source)?.[1].replaceAll('_', ''));
}

describe('two devices of one user', { timeout: 300_000 }, () => {
  let world;
  let laptop;
  let phone;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  it('a_wait_for_the_live_connection_ends_long_before_a_poll', async () => {
    assert.ok((await pollInterval()) > 2 * byConnection);
  });

  async function bothSignIn() {
    [laptop, phone] = [await world.device(), await world.device()];
    for (const device of [laptop, phone]) {
      await device.signIn('Alice');
      await device.synced();
    }
  }

  it('a_task_added_on_one_comes_to_the_other_by_the_live_connection', async () => {
    await bothSignIn();
    await laptop.add('Water the plants');
    await phone.sees('Water the plants', byConnection);
    laptop.assertQuiet();
    phone.assertQuiet();
  });

  it('an_edit_on_one_comes_to_the_other_by_the_live_connection', async () => {
    await bothSignIn();
    await laptop.add('Call Sam');
    await phone.sees('Call Sam');
    await phone.edit('Call Sam', { Title: 'Call Samira', Notes: 'about the boat' });
    await laptop.sees('Call Samira', byConnection);
    await laptop.seesNo('Call Sam', byConnection);
    laptop.assertQuiet();
    phone.assertQuiet();
  });

  it('a_deletion_and_its_undo_come_to_the_other_by_the_live_connection', async () => {
    await bothSignIn();
    await laptop.add('Cancel the paper');
    await phone.sees('Cancel the paper');
    await laptop.delete('Cancel the paper');
    await phone.seesNo('Cancel the paper', byConnection);
    await laptop.page.getByRole('button', { name: 'Undo' }).click();
    await laptop.sees('Cancel the paper');
    await phone.sees('Cancel the paper', byConnection);
  });

  it('a_ticked_task_is_done_on_the_other', async () => {
    await bothSignIn();
    await laptop.add('Post the letter');
    await phone.sees('Post the letter');
    await laptop.tick('Post the letter');
    await phone.seesNo('Post the letter', byConnection);
    await phone.pane.getByRole('button', { name: /^Done \d+$/ }).click();
    await phone.sees('Post the letter');
  });

  it('a_profile_that_signs_in_later_gets_everything', async () => {
    await bothSignIn();
    await laptop.add('Was here before');
    await laptop.synced();
    const tablet = await world.device();
    await tablet.signIn('Alice');
    await tablet.sees('Was here before');
    await tablet.synced();
    assert.deepEqual(await tablet.titles(), await laptop.titles());
  });

  it('the_other_user_sees_nothing_of_the_first', async () => {
    await bothSignIn();
    await laptop.add('A secret of Alice');
    await laptop.synced();
    const bob = await world.device();
    await bob.signIn('Bob');
    await bob.synced();
    assert.deepEqual(await bob.titles(), []);
    await bob.add('A task of Bob');
    await bob.synced();
    await laptop.syncNow();
    await laptop.synced();
    await laptop.seesNo('A task of Bob');
    bob.assertQuiet();
  });

  it('users_who_share_a_browser_profile_share_no_tasks', async () => {
    [laptop] = [await world.device()];
    await laptop.signIn('Alice');
    await laptop.add('Only for Alice');
    await laptop.synced();
    await laptop.signOut();
    await laptop.signIn('Bob');
    await laptop.synced();
    await laptop.seesNo('Only for Alice');
    await laptop.signOut();
    await laptop.signIn('Alice');
    await laptop.sees('Only for Alice');
    laptop.assertQuiet();
  });

  it('a_guest_keeps_tasks_without_any_server', async () => {
    laptop = await world.device({ server: 'http://127.0.0.1:1' });
    await laptop.pane.getByRole('button', { name: 'Use without an account' }).click();
    await laptop.add('Nobody else knows');
    await laptop.syncs('local');
    await laptop.page.reload();
    await laptop.sees('Nobody else knows');
    laptop.assertQuiet();
  });
});
