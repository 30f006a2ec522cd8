// One user on two browser profiles, and another user beside them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

/** Milliseconds after which an edit must be on the other device. */
const second = 1000;

describe('two devices of one user', { timeout: 120_000 }, () => {
  let world;
  let laptop;
  let phone;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  async function bothSignIn() {
    [laptop, phone] = [await world.device(), await world.device()];
    for (const device of [laptop, phone]) {
      await device.signIn('Alice');
      await device.synced();
    }
  }

  it('a_task_added_on_one_is_on_the_other_within_a_second', async () => {
    await bothSignIn();
    await laptop.add('Water the plants');
    await phone.sees('Water the plants', second);
    laptop.assertQuiet();
    phone.assertQuiet();
  });

  it('an_edit_on_one_is_on_the_other_within_a_second', async () => {
    await bothSignIn();
    await laptop.add('Call Sam');
    await phone.sees('Call Sam');
    await phone.edit('Call Sam', { Title: 'Call Samira', Notes: 'about the boat' });
    await laptop.sees('Call Samira', second);
    await laptop.seesNo('Call Sam', second);
    laptop.assertQuiet();
    phone.assertQuiet();
  });

  it('a_deleted_task_leaves_the_other_within_a_second_and_undo_brings_it_back', async () => {
    await bothSignIn();
    await laptop.add('Cancel the paper');
    await phone.sees('Cancel the paper');
    await laptop.delete('Cancel the paper');
    await phone.seesNo('Cancel the paper', second);
    await laptop.page.getByRole('button', { name: 'Undo' }).click();
    await laptop.sees('Cancel the paper');
    await phone.sees('Cancel the paper', second);
  });

  it('a_ticked_task_is_done_on_the_other', async () => {
    await bothSignIn();
    await laptop.add('Post the letter');
    await phone.sees('Post the letter');
    await laptop.tick('Post the letter');
    await phone.seesNo('Post the letter', second);
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
