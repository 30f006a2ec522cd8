// The demo's backups: one person's file, sealed, brought back by another on a device of their own.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Backups } from '../support/backup-dialog.mjs';

const words = 'correct horse battery staple';

describe('a backup', { timeout: 240_000 }, () => {
  let backups;

  before(async () => {
    backups = await Backups.start();
  });
  after(() => backups?.stop());
  afterEach(() => backups.world.leave());

  it('of_one_person_is_brought_back_by_another_through_the_demo', async () => {
    const alice = await backups.person('Alice');
    await alice.add('Water the plants');
    await alice.add('Buy oat milk');
    const saving = await backups.open(alice);
    await saving.getByLabel('Protect it with a passphrase').check();
    await saving.getByLabel('Passphrase', { exact: true }).fill('milk');
    await saving.getByText('Too short').waitFor();
    await saving.getByLabel('Passphrase', { exact: true }).fill(words);
    await saving.getByText('Good, if the words were chosen at random.').waitFor();
    await saving.getByLabel('Once more').fill('correct horse');
    await saving.getByText('The two differ.').waitFor();
    assert.ok(await saving.getByRole('button', { name: 'Save backup' }).isDisabled());
    await saving.getByLabel('Once more').fill(words);
    const path = await backups.save(alice);
    assert.match(path, /mana-full-\d{4}-\d\d-\d\d\.sealed\.mana$/);

    const bob = await backups.person('Bob');
    const restoring = await backups.open(bob);
    await restoring.getByLabel('Choose a file').setInputFiles(path);
    await restoring.getByText('It is sealed.').waitFor();
    await restoring.getByLabel('It is sealed. Its passphrase').fill('another');
    await restoring.getByRole('button', { name: 'Show what it would change' }).click();
    await restoring.getByText('The file is whole. Type the passphrase again.').waitFor();
    await restoring.getByLabel('It is sealed. Its passphrase').fill(words);
    await restoring.getByRole('button', { name: 'Show what it would change' }).click();
    await restoring.getByText('2 new', { exact: false }).waitFor();
    await bob.seesNo('Water the plants');
    await restoring.getByRole('button', { name: /^Bring back \d+ records$/ }).click();
    await restoring.getByText(/^Done: \d+ records brought back\.$/).waitFor();
    await restoring.getByRole('button', { name: 'Close' }).click();
    await bob.sees('Water the plants');
    await bob.synced();
    const bobsPhone = await backups.person('Bob');
    await bobsPhone.sees('Buy oat milk');
    for (const device of [alice, bob, bobsPhone]) device.assertQuiet();
  });

  it('leaves_what_is_newer_alone_unless_it_is_to_go_over_it', async () => {
    const alice = await backups.person('Alice');
    for (const title of ['Call the dentist', 'Return the books']) await alice.add(title);
    const dialog = await backups.open(alice);
    const path = await backups.save(alice);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await alice.edit('Call the dentist', { Notes: 'Tuesday' });
    await alice.delete('Return the books');
    await backups.open(alice);
    await dialog.getByLabel('Choose a file').setInputFiles(path);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText('Nothing to do: all of it is here, or something newer.').waitFor();
    await dialog.getByText('1 deleted here since').waitFor();

    await dialog.getByLabel('Replace what is newer here, too').check();
    await dialog.getByText('Nothing to do').waitFor({ state: 'detached' });
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText(/\b2 to change/).waitFor();
    await dialog.getByRole('button', { name: /^Bring back \d+ records$/ }).click();
    await dialog.getByText(/\b2 changed/).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await alice.sees('Return the books');
    await alice.item('Call the dentist').locator('[data-task]').click();
    assert.equal(await alice.pane.getByLabel('Notes', { exact: true }).inputValue(), '');
    alice.assertQuiet();
  });

  it('whose_return_is_cancelled_says_how_much_came_back', async () => {
    const { bob, dialog } = await bringingBackMany(10_000);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    const said = dialog.getByText(/^Bringing the backup back was cancelled\. /);
    await said.waitFor();
    const [, brought] = (await said.textContent()).match(
      /cancelled\. ([\d,]+) records were brought back by then; doing it again brings back the rest\.$/,
    );
    const records = Number(brought.replaceAll(',', ''));
    assert.ok(records > 0 && records < 10_000, brought);
    bob.assertQuiet();
  });

  it('whose_return_ends_with_the_dialog_says_beside_it_how_much_came_back', async () => {
    const { bob, dialog } = await bringingBackMany(10_000);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await bob.messages
      .getByText(/^Bringing the backup back was cancelled\. [\d,]+ records were brought back/)
      .waitFor();
    bob.assertQuiet();
  });

  it('for_which_something_must_come_first_says_so_without_a_connection', async () => {
    const alice = await backups.person('Alice');
    await alice.add('Fix the bike');
    await alice.setNetwork(false);
    const dialog = await backups.open(alice);
    await dialog.getByRole('button', { name: 'Save backup' }).click();
    await dialog.getByText('Do it again when the connection is back, or without what is not on').waitFor();
    await dialog.getByLabel('Notebook').uncheck();
    await backups.save(alice);
    alice.assertQuiet({ network: true });
  });

  it('that_is_none_is_said_to_be_none', async () => {
    const alice = await backups.person('Alice');
    const dialog = await backups.open(alice);
    await dialog
      .getByLabel('Choose a file')
      .setInputFiles({ name: 'x.mana', mimeType: '', buffer: Buffer.from('hello') });
    await dialog.getByText('Choose a file whose name ends with .mana.').waitFor();
    alice.assertQuiet();
  });

  /** Bob amid bringing back so many tasks. */
  async function bringingBackMany(count) {
    const alice = await backups.person('Alice');
    await alice.add('Sort the photos');
    await backups.open(alice);
    const large = await backups.many(await backups.save(alice), count);
    const bob = await backups.person('Bob');
    const dialog = await backups.open(bob);
    await dialog.getByLabel('Choose a file').setInputFiles(large);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByRole('button', { name: /^Bring back [\d,]+ records$/ }).click();
    await dialog.getByText(/^Tasks: [\d,]+/).waitFor();
    return { bob, dialog };
  }
});
