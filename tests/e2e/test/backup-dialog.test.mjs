// The demo's dialog of backups: what goes into a file, files that are dropped, how far it is, and what came of it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Backups, drop, linesOf, typeTwice } from '../support/backup-dialog.mjs';

const words = 'correct horse battery staple';

describe('the dialog of backups', { timeout: 240_000 }, () => {
  let backups;

  before(async () => {
    backups = await Backups.start();
  });
  after(() => backups?.stop());
  afterEach(() => backups.world.leave());

  async function alice(...titles) {
    const device = await backups.person('Alice');
    for (const title of titles) await device.add(title);
    return device;
  }

  async function addNote(device, text) {
    await device.pane.getByRole('button', { name: /^Account/ }).click();
    await device.pane.getByRole('button', { name: 'Notebook' }).click();
    const notebook = device.page.getByRole('dialog', { name: 'Notebook' });
    await notebook.getByLabel('New note').fill(text);
    await notebook.getByRole('button', { name: 'Add' }).click();
    await notebook.getByText(text).waitFor();
    await notebook.getByRole('button', { name: 'Close' }).click();
  }

  it('says_how_much_there_is_of_each_part_and_saves_those_that_are_chosen', async () => {
    const device = await alice('Mend the gate', 'Feed the cat');
    const dialog = await backups.open(device);
    const part = (name) => dialog.locator('label').filter({ hasText: name });
    await part('Tasks and settings').getByText('2 tasks').waitFor();
    await part('Notebook').getByText('fetched when saving').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await addNote(device, 'The key is under the mat');
    await backups.open(device);
    await part('Notebook').getByText('1 note', { exact: true }).waitFor();

    await part('Notebook').getByRole('checkbox').uncheck();
    const todo = await backups.save(device);
    assert.match(todo, /\/mana-todo-[\d-]+\.mana$/);
    const { tasks, ...others } = await backups.tablesIn(todo);
    assert.deepEqual(tasks.map(({ title }) => title).sort(), ['Feed the cat', 'Mend the gate']);
    assert.deepEqual(Object.keys(others), ['settings']);

    await part('Tasks and settings').getByRole('checkbox').uncheck();
    assert.ok(await dialog.getByRole('button', { name: 'Save backup' }).isDisabled(), 'nothing is chosen');
    await part('Notebook').getByRole('checkbox').check();
    const notebook = await backups.save(device);
    const { notes, ...rest } = await backups.tablesIn(notebook);
    assert.deepEqual(
      notes.map(({ text }) => text),
      ['The key is under the mat'],
    );
    assert.deepEqual(rest, {});
    await dialog.getByLabel('Choose a file').setInputFiles(notebook);
    await dialog.getByText(/^mana-notebook-.* Saved on .*: Notebook, 1 record\.$/).waitFor();
    device.assertQuiet();
  });

  it('takes_a_file_that_is_dropped_anywhere_in_it_and_says_whether_it_is_sealed', async () => {
    const device = await alice('Wash the car');
    const dialog = await backups.open(device);
    const plain = await backups.save(device);
    await dialog.getByLabel('Protect it with a passphrase').check();
    await typeTwice(dialog, words);
    const sealed = await backups.save(device);

    const place = dialog.getByRole('group', { name: 'File' });
    const isMarked = () => place.evaluate(({ classList }) => classList.contains('dragged'));
    await drop(device, sealed, place, async () => assert.ok(await isMarked(), 'its place shows it'));
    await dialog.getByText('It is sealed. Its passphrase').waitFor();
    assert.equal(await isMarked(), false);
    // Beside its place, too, where a browser would leave the page and open the file.
    await drop(device, plain, dialog.getByRole('heading', { name: 'Backup', exact: true }));
    await dialog.getByText('It is sealed. Its passphrase').waitFor({ state: 'detached' });
    await dialog.getByText(/^mana-full-[\d-]+\.mana/).waitFor();
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText('Nothing to do').waitFor();
    device.assertQuiet();
  });

  it('shows_how_far_it_is_and_takes_no_other_file_meanwhile', async () => {
    const device = await alice('Sort the photos');
    const dialog = await backups.open(device);
    const one = await backups.save(device);
    await dialog.getByLabel('Choose a file').setInputFiles(await backups.many(one, 10_000));
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByRole('button', { name: 'Bring back 10,000 records' }).waitFor();
    await device.page.evaluate(watchProgress);
    await dialog.getByRole('button', { name: 'Bring back 10,000 records' }).click();
    await dialog.getByText(/^Tasks: [\d,]+/).waitFor();
    await drop(device, one, dialog.getByRole('heading', { name: 'Backup', exact: true }));
    await dialog.getByText('Done: 10,000 records brought back.').waitFor();
    await dialog.getByText('many-10000.mana').waitFor();
    const bar = dialog.getByRole('progressbar', { name: 'Backup' });
    assert.equal(await bar.count(), 0, 'it is over');

    const seen = (await device.page.evaluate(() => window.progress)).filter(({ value }) => value > 0);
    const values = seen.map(({ value }) => value);
    assert.deepEqual(
      values,
      [...values].sort((a, b) => a - b),
      'it never goes back',
    );
    assert.ok(new Set(values).size > 5, `it advances: ${values}`);
    for (const { value, max, text } of seen) {
      assert.equal(max, 10_000);
      assert.equal(text, `Tasks: ${value.toLocaleString('en-GB')} of about 10,000`);
    }
    device.assertQuiet();
  });

  it('saves_nothing_where_that_is_cancelled', async () => {
    const device = await alice('Sort the cellar');
    const dialog = await backups.open(device);
    let downloads = 0;
    device.page.on('download', () => {
      downloads += 1;
    });
    await dialog.getByLabel('Protect it with a passphrase').check();
    await typeTwice(dialog, words);
    // Making the key of a passphrase takes longer than this.
    await device.page.evaluate(cancelOnceThereIsSuchAButton);
    await dialog.getByRole('button', { name: 'Save backup' }).click();
    await dialog.getByText('Saving the backup was cancelled.').waitFor();
    assert.equal(downloads, 0);
    await backups.save(device);
    assert.equal(downloads, 1, 'it can be done again');
    device.assertQuiet();
  });

  it('sums_up_what_came_of_a_file_and_what_of_it_cannot_be_taken', async () => {
    const device = await alice('Pay the rent');
    const dialog = await backups.open(device);
    const from = await backups.save(device);
    const { tasks } = await backups.tablesIn(from);
    const strange = Array.from({ length: 7 }, () => ({ title: 'a row without an id' }));
    const path = await backups.made('odd.mana', from, {
      'data/tasks.jsonl': linesOf([tasks[0], { ...tasks[0], id: 'another' }, ...strange]),
      'data/attic.jsonl': linesOf([{ id: 'box' }]),
      'incomplete.json': JSON.stringify([{ table: 'tasks', id: 'another', field: 'notes' }]),
    });
    await dialog.getByLabel('Choose a file').setInputFiles(path);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText('1 new, 1 stays as it is, 7 that cannot be taken').waitFor();
    await dialog.getByRole('button', { name: 'Bring back 1 record', exact: true }).click();
    await dialog.getByText('1 added, 1 stays as it is, 7 that cannot be taken').waitFor();
    await dialog.getByText('This app has no place for: attic.').waitFor();
    await dialog.getByText('Tasks, line 3: ').waitFor();
    assert.equal(await dialog.getByText(/^Tasks, line \d: /).count(), 5);
    await dialog.getByText('And 2 more that cannot be taken.').waitFor();
    await dialog.getByText('1 value could not be opened when it was saved and is not in it.').waitFor();
    await dialog.getByText('Done: 1 record brought back.').waitFor();
    device.assertQuiet();
  });
});

/** Notes each state of the bar, in the page. */
function watchProgress() {
  window.progress = [];
  const look = () => {
    const bar = document.querySelector('dialog[open] progress');
    if (!bar) return;
    const { value, max } = bar;
    window.progress.push({
      value: bar.hasAttribute('value') ? value : -1,
      max,
      text: bar.getAttribute('aria-valuetext'),
    });
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}

/** Presses the button as soon as it is there, in the page. */
function cancelOnceThereIsSuchAButton() {
  const observer = new MutationObserver(() => {
    const button = [...document.querySelectorAll('dialog[open] button')].find(
      ({ textContent }) => textContent === 'Cancel',
    );
    if (!button) return;
    observer.disconnect();
    button.click();
  });
  observer.observe(document.body, { subtree: true, childList: true });
}
