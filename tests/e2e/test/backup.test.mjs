// The demo's backups: one person's file, sealed, brought back by another on a device of their own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { World } from '../support/world.mjs';

const words = 'correct horse battery staple';
/** Writes an archive with the only task of another one many times, each with an id of its own. */
const manyTimes = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as one, zipfile.ZipFile(sys.argv[2], "w") as many:
    row = json.loads(one.read("data/tasks.jsonl").splitlines()[0])
    many.writestr("manifest.json", one.read("manifest.json"))
    rows = [{**row, "id": f"task-{n}"} for n in range(int(sys.argv[3]))]
    many.writestr("data/tasks.jsonl", "".join(json.dumps(row) + "\\n" for row in rows))
`;

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

  it('whose_return_is_cancelled_says_how_much_came_back', async () => {
    const alice = await person('Alice');
    await alice.add('Sort the photos');
    const path = await save(alice, await open(alice));
    const large = join(directory, 'large.mana');
    await promisify(execFile)('python3', ['-c', manyTimes, path, large, '10000']);
    const bob = await person('Bob');
    const dialog = await open(bob);
    await dialog.getByLabel('Choose a file').setInputFiles(large);
    await dialog.getByRole('button', { name: 'Show what it would change' }).click();
    await dialog.getByRole('button', { name: /^Bring back [\d,]+ records$/ }).click();
    await dialog.getByText(/^Tasks: [\d,]+/).waitFor();
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
