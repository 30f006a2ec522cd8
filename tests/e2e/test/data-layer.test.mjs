// Tables, queries and transactions as the demo uses them: long lists, many tasks at once, settings, drafts, events, upgrades.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

describe('the list of tasks', { timeout: 240_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  async function guest() {
    const device = await world.device();
    await device.pane.getByRole('button', { name: 'Use without an account' }).click();
    return device;
  }

  it('a_thousand_tasks_come_by_pages_and_are_counted', async () => {
    const device = await guest();
    await device.page.getByRole('button', { name: 'Add 1,000 samples' }).click();
    await device.page.getByText(/^Saved in [\d,]+ ms: 1,000 tasks$/).waitFor();
    await device.pane.getByText('1,000 open').waitFor();
    await device.choose('View', 'Newest first');
    await device.page.keyboard.press('Escape');
    await device.counts('Newest first', 1000);
    const more = device.pane.getByRole('button', { name: /^Show more 950/ });
    await more.waitFor();
    assert.equal((await device.titles()).length, 50);
    await more.click();
    await device.pane.getByRole('button', { name: /^Show more 900/ }).waitFor();
    assert.equal((await device.titles()).length, 100);
    device.assertQuiet();
  });

  it('a_search_and_a_project_narrow_it_down', async () => {
    const device = await guest();
    for (const line of ['Paint the door #Home', 'Paint the boat #Trip', 'Oil the door #Home']) await device.add(line);
    await device.searchFor('PAINT');
    await device.seesNo('Oil the door');
    await device.sees('Paint the boat');
    await device.pane.getByRole('button', { name: /^Home/ }).click();
    await device.seesNo('Paint the boat');
    assert.deepEqual(await device.titles(), ['Paint the door']);
    await device.searchFor('nothing like it');
    await device.pane.getByText('No task is like that.').waitFor();
  });

  it('completing_all_concerns_the_tasks_that_are_shown_and_can_be_undone', async () => {
    const device = await guest();
    for (const line of ['Paint the door #Home', 'Paint the boat #Trip', 'Oil the door #Home']) await device.add(line);
    await device.searchFor('door');
    await device.choose('Many tasks', 'Complete 2 tasks');
    await device.page.getByText('Completed 2 tasks', { exact: true }).waitFor();
    await device.searchFor('');
    await device.sees('Paint the boat');
    await device.counts('Done', 2);
    await device.page.getByRole('button', { name: 'Undo' }).click();
    await device.counts('Anytime', 3);
  });

  it('deleted_tasks_come_back_by_undo_with_everything_that_was_in_them', async () => {
    const device = await guest();
    for (const title of ['One that is done', 'Another that is done']) {
      await device.add(title);
      await device.edit(title, { Notes: 'kept' });
      await device.tick(title);
    }
    await device.add('One that is open');
    await device.choose('Many tasks', 'Delete 2 completed');
    await device.pane.getByRole('group', { name: /^Done/ }).waitFor({ state: 'detached' });
    await device.page.getByRole('button', { name: 'Undo' }).last().click();
    await device.counts('Done', 2);
    await device.pane.getByRole('button', { name: /^Done \d+$/ }).click();
    await device.item('Another that is done').getByText('Has notes').waitFor();
    await device.page.reload();
    await device.counts('Done', 2);
    device.assertQuiet();
  });

  it('the_drawer_says_which_index_answers_and_what_is_done_in_memory', async () => {
    const device = await guest();
    await device.add('Water the plants today #Home');
    await device.add('Find a good book');
    await device.showInDrawer('Queries');
    const entry = (title) => device.drawer.getByRole('listitem').filter({ hasText: title });
    await entry('Today').getByText('[state+dueDate]', { exact: true }).waitFor();
    await entry('Today').getByText('1 task in').waitFor();
    await entry('Done').getByText('[state+doneAt]', { exact: true }).waitFor();
    assert.equal(await device.drawer.getByText('in the order of the index').count(), 4);
    await device.choose('View', 'By title');
    await entry('By title').getByText('state', { exact: true }).waitFor();
    await device.page.keyboard.press('Escape');
    await device.searchFor('plants');
    await entry('By title').getByText('searched by a function').waitFor();
    await device.pane.getByRole('button', { name: /^Home/ }).click();
    await entry('By title').getByText('[project+state]', { exact: true }).waitFor();
    device.assertQuiet();
  });

  it('a_task_is_postponed_from_the_day_that_is_stored_and_never_into_the_past', async () => {
    const device = await guest();
    await device.add('Pay the rent');
    await device.item('Pay the rent').locator('[data-task]').click();
    await device.pane.getByRole('button', { name: 'Postpone by a day' }).click();
    await device.item('Pay the rent').getByText('Tomorrow').waitFor();
    await device.pane.getByLabel('Due date').fill('2001-01-01');
    await device.pane.getByRole('button', { name: 'Postpone by a day' }).click();
    await device.item('Pay the rent').getByText('Tomorrow').waitFor();
    await device.pane.getByRole('button', { name: 'Postpone by a day' }).click();
    await device.item('Pay the rent').getByText('Tomorrow').waitFor({ state: 'detached' });
    device.assertQuiet();
  });
});

describe('what is kept beside the tasks', { timeout: 180_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  async function alice() {
    const device = await world.device();
    await device.signIn('Alice');
    await device.synced();
    return device;
  }

  it('the_view_follows_the_user_to_other_devices', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.add('Seen in the same order');
    await laptop.choose('View', 'Newest first');
    await phone.counts('Newest first', 1);
    await phone.choose('View', 'Compact rows');
    await laptop.pane.locator('.compact').waitFor();
    await laptop.counts('Newest first', 1);
    await phone.choose('View', 'By day');
    await laptop.counts('Anytime', 1);
  });

  it('a_line_that_was_not_added_is_there_after_a_reload_and_on_this_device_alone', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.newTask.fill('Half a tho');
    await laptop.saved();
    await laptop.page.reload();
    await laptop.pane.getByText(/^Draft, \d\d:\d\d$/).waitFor();
    assert.equal(await laptop.newTask.inputValue(), 'Half a tho');
    await phone.page.reload();
    await phone.synced();
    assert.equal(await phone.newTask.inputValue(), '');
    await laptop.add('Half a thought, finished');
    await laptop.page.reload();
    await laptop.sees('Half a thought, finished');
    assert.equal(await laptop.newTask.inputValue(), '');
  });

  it('the_activity_names_who_changed_which_fields_here_and_elsewhere', async () => {
    const [laptop, phone] = [await alice(), await alice()];
    await laptop.showInDrawer('Activity');
    const log = laptop.drawer.getByRole('listitem');
    await laptop.add('Watch this');
    await log.filter({ hasText: /You\s+added\s+“Watch this”/ }).waitFor();
    await phone.sees('Watch this');
    await phone.edit('Watch this', { Notes: 'from the phone' });
    await log.filter({ hasText: /The server\s+changed\s+“Watch this”\s+notes/ }).waitFor();
    await laptop.choose('Many tasks', 'Add 100 samples');
    await log.filter({ hasText: /An assistant\s+added\s+100 tasks/ }).waitFor();
    await laptop.page.getByRole('button', { name: 'Undo' }).click();
    await log.filter({ hasText: /You\s+deleted\s+100 tasks/ }).waitFor();
    await laptop.synced();
    laptop.assertQuiet();
  });

  for (const [label, code] of [
    ['Add one id twice', 'bulk_failed'],
    ['Sync a Map', 'value_not_syncable'],
    ['Fetch inside a transaction', 'transaction_inactive'],
    ['Ask an index that is not there', 'unknown_index'],
  ]) {
    it(`${code}: what_is_refused_is_told_with_its_code_and_nothing_is_saved`, async () => {
      const device = await alice();
      // Once it is shown, so is everything that was pulled before it.
      await device.add(`Before ${code}`);
      await device.sees(`Before ${code}`);
      const titles = await device.titles();
      await device.showInDrawer('Try out');
      await device.drawer.getByRole('button', { name: label }).click();
      const alert = device.page.getByRole('alert');
      await alert.getByText(code, { exact: true }).waitFor();
      await alert.getByRole('button', { name: 'Dismiss' }).click();
      await device.add(`After ${code}`);
      await device.sees(`After ${code}`);
      assert.deepEqual(await device.titles(), [...titles, `After ${code}`].sort());
      device.assertQuiet();
    });
  }
});

describe('databases of older apps', { timeout: 180_000 }, () => {
  let world;

  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());
  afterEach(() => world.leave());

  const tasks = ['Book the train to Lyon', 'Find a good book', 'Water the plants'];

  async function replaced(button) {
    const device = await world.device();
    await device.signIn('Alice');
    await device.synced();
    await device.showInDrawer('Try out');
    await device.drawer.getByRole('button', { name: button }).click();
    return device;
  }

  async function seesTheOldTasks(device) {
    for (const title of tasks) await device.sees(title);
    await device.item('Book the train to Lyon').getByText('Tomorrow').waitFor();
    await device.counts('Done', 1);
    await device.pane.getByRole('button', { name: /^Done \d+$/ }).click();
    await device.sees('Send the invoice');
  }

  it('one_of_version_1_is_brought_to_the_present_version_and_syncs', async () => {
    const device = await replaced('Open one of version 1');
    await device.page.getByText('Your tasks were brought to version 3 of this app.').waitFor();
    await seesTheOldTasks(device);
    await device.synced();
    const other = await world.device();
    await other.signIn('Alice');
    await seesTheOldTasks(other);
    device.assertQuiet();
    // The next test begins with an empty list.
    await device.choose('Many tasks', /^Complete/);
    await device.choose('Many tasks', /^Delete 4/);
    await device.synced();
  });

  it('one_of_an_app_on_dexie_is_taken_over_with_its_queue_and_syncs', async () => {
    const device = await replaced('Open one of an app on Dexie');
    await device.page.getByText(/records and 2 unsent changes of an older app were taken over/).waitFor();
    await seesTheOldTasks(device);
    await device.page.getByText(/data are complete: 2 changes/).waitFor();
    await device.synced();
    const other = await world.device();
    await other.signIn('Alice');
    await seesTheOldTasks(other);
    device.assertQuiet();
  });

  it('a_database_with_unsent_changes_is_not_replaced', async () => {
    const device = await world.device();
    await device.signIn('Bob');
    await device.synced();
    await device.setNetwork(false);
    await device.add('Not sent yet');
    await device.showInDrawer('Try out');
    await device.drawer.getByRole('button', { name: 'Open one of version 1' }).click();
    await device.page.getByRole('alert').getByText('unsent_changes', { exact: true }).waitFor();
    await device.sees('Not sent yet');
  });
});
