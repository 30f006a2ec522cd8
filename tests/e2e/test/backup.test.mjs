// The demo's backups: one person's file, sealed, brought back by another on a device of their own.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { World } from '../support/world.mjs';

const words = 'correct horse battery staple';

describe('a backup', { timeout: 240_000 }, () => {
  let world;
  let directory;

  before(async () => {
    world = await World.start();
    directory = await mkdtemp(join(tmpdir(), 'mana-backup-'));
  });
  after(async () => {
    await world?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });
  afterEach(() => world.leave());

  async function person(name) {
    const device = await world.device();
    await device.signIn(name);
    await device.synced();
    return device;
  }

  async function open(device) {
    await device.pane.getByRole('button', { name: /^Account/ }).click();
    await device.pane.getByRole('button', { name: 'Backup' }).click();
    return device.page.getByRole('dialog', { name: 'Backup' });
  }

  /** Saves what the dialog is set to; gives the file's path. */
  async function save(device, dialog) {
    const [download] = await Promise.all([
      device.page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Save backup' }).click(),
    ]);
    const path = join(directory, download.suggestedFilename());
    await download.saveAs(path);
    await dialog.getByText(/^Saved \d+ records? as/).waitFor();
    return path;
  }

  it('of_one_person_is_brought_back_by_another_through_the_demo', async () => {
    const alice = await person('Alice');
    await alice.add('Water the plants');
    await alice.add('Buy oat milk');
    const saving = await open(alice);
    await saving.getByLabel('Protect it with a passphrase').check();
    await saving.getByLabel('Passphrase', { exact: true }).fill('milk');
    await saving.getByText('Too short').waitFor();
    await saving.getByLabel('Passphrase', { exact: true }).fill(words);
    await saving.getByLabel('Once more').fill('correct horse');
    await saving.getByText('The two differ.').waitFor();
    assert.ok(await saving.getByRole('button', { name: 'Save backup' }).isDisabled());
    await saving.getByLabel('Once more').fill(words);
    const path = await save(alice, saving);
    assert.match(path, /mana-full-\d{4}-\d\d-\d\d\.sealed\.mana$/);

    const bob = await person('Bob');
    const restoring = await open(bob);
    await restoring.getByLabel('Choose a file').setInputFiles(path);
    await restoring.getByText('It is sealed.').waitFor();
    await restoring.getByLabel('It is sealed. Its passphrase').fill('another');
    await restoring.getByRole('button', { name: 'Show what it would change' }).click();
    await restoring.getByText('The file is whole. Type the passphrase again.').waitFor();
    await restoring.getByLabel('It is sealed. Its passphrase').fill(words);
    await restoring.getByRole('button', { name: 'Show what it would change' }).click();
    await restoring.getByText('2 new', { exact: false }).waitFor();
    await restoring.getByRole('button', { name: /^Bring back \d+ records$/ }).click();
    await restoring.getByText(/^Done: \d+ records brought back\.$/).waitFor();
    await restoring.getByRole('button', { name: 'Close' }).click();
    await bob.sees('Water the plants');
    await bob.synced();
    const bobsPhone = await person('Bob');
    await bobsPhone.sees('Buy oat milk');
    for (const device of [alice, bob, bobsPhone]) device.assertQuiet();
  });

  it('leaves_what_is_newer_alone_unless_it_is_to_go_over_it', async () => {
    const alice = await person('Alice');
    await alice.add('Call the dentist');
    const path = await save(alice, await open(alice));
    const dialog = alice.page.getByRole('dialog', { name: 'Backup' });
    await dialog.getByRole('button', { name: 'Close' }).click();
    await alice.edit('Call the dentist', { Notes: 'Tuesday' });
    await open(alice);
    await dialog.getByLabel('Choose a file').setInputFiles(path);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByText('Nothing to do: all of it is here, or something newer.').waitFor();
    alice.assertQuiet();
  });

  it('that_is_none_is_said_to_be_none', async () => {
    const alice = await person('Alice');
    const dialog = await open(alice);
    await dialog
      .getByLabel('Choose a file')
      .setInputFiles({ name: 'x.mana', mimeType: '', buffer: Buffer.from('hello') });
    await dialog.getByText('Choose a file whose name ends with .mana.').waitFor();
    alice.assertQuiet();
  });
});
