// What came from other devices and cannot be applied here: the person sees how much of it, why, and what to do.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { foreignChanges, newerTasks, twoOfOneDate, withForeignChanges, withUniqueIndex } from '../support/foreign.mjs';
import { World } from '../support/world.mjs';

describe('what came and cannot be applied', { timeout: 120_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  it('is_counted_with_what_to_do_in_every_tab_and_takes_nothing_else_along', async () => {
    const bob = await world.device();
    await bob.signIn('Bob');
    await bob.add('Written by this version');
    await bob.synced();
    await bob.holdsAside(0);
    const other = await bob.openTab();
    await newerTasks(world.server, 3, 'bob');
    for (const tab of [bob, other]) {
      await tab.page.bringToFront();
      await tab.holdsAside(3);
      await tab.sees('Written by this version');
      const waiting = await openPanel(tab);
      await waiting.getByText('3 changes from other devices wait here', { exact: true }).waitFor();
      await saysOf(waiting, 'schema_too_new', /^3 are of a newer version of this app\. Reload/);
      await tab.pane.getByText('Everything else is synced.').waitFor();
    }
    bob.assertQuiet();
  });

  it('is_told_beside_what_found_no_room', async () => {
    const bob = await world.device();
    await bob.signIn('Bob');
    // With those of before.
    await newerTasks(world.server, 999, 'bob');
    await bob.syncNow();
    const waiting = await openPanel(bob);
    await waiting.getByText('1,000 changes from other devices wait here', { exact: true }).waitFor();
    await saysOf(waiting, 'schema_too_new', /^1,002 are of a newer .* 2 found no room here: .* read again\.$/);
    bob.assertQuiet();
  });

  it('is_told_by_each_reason', async () => {
    const alice = await world.device({ watch: withForeignChanges });
    await alice.signIn('Alice');
    await newerTasks(world.server, 1);
    await alice.syncNow();
    const waiting = await openPanel(alice);
    const { length } = foreignChanges;
    await waiting.getByText(new RegExp(`^${length + 1} changes from other devices wait here$`)).waitFor();
    await saysOf(waiting, 'schema_too_new', /^1 is of a newer version of this app\. Reload/);
    await saysOf(waiting, 'unknown_table', /^1 is of a part of the app that this version does not have\. Reload/);
    await saysOf(waiting, 'clock_ahead', /^1 is dated in the future, .* Correct that device’s date and time/);
    await saysOf(waiting, 'space_mismatch', /^1 is of a task that is in another list here\. .* Report this\./);
    await saysOf(waiting, 'malformed', /^1 is damaged and cannot be read\. .* Report this\./);
    alice.assertQuiet();
  });

  it('is_told_of_a_value_that_another_record_has_in_a_unique_index_of_an_older_app', async () => {
    const bob = await world.device({ watch: withUniqueIndex });
    await bob.signIn('Bob');
    await twoOfOneDate(world.server, 'bob');
    await bob.syncNow();
    const waiting = await openPanel(bob);
    await saysOf(waiting, 'not_unique', /^1 has a value that another task here has, too\. It comes by itself/);
    await bob.sees('Dated 1');
    bob.assertQuiet();
  });
});

/** Opens the panel of the sync state; gives what it says of what waits. */
async function openPanel(device) {
  await device.pane.getByRole('button', { name: /^Sync: / }).click();
  return device.pane.getByRole('region', { name: /waits? here$/ });
}

async function saysOf(waiting, code, text) {
  const line = waiting.locator(`[data-code="${code}"]`);
  await line.waitFor();
  assert.match((await line.innerText()).replaceAll(/\s+/g, ' '), text);
}
