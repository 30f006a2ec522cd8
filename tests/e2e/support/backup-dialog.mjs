// The demo's dialog of backups, and files for it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { World } from './world.mjs';

const run = promisify(execFile);
/** Writes an archive with the entries of `argv[3]` and the manifest of another one, but for how many rows there are. */
const write = `
import json, sys, zipfile
entries = json.load(open(sys.argv[3]))
with zipfile.ZipFile(sys.argv[1]) as one, zipfile.ZipFile(sys.argv[2], "w") as made:
    manifest = json.loads(one.read("manifest.json"))
    manifest["rowCounts"] = {name[5:-6]: text.count("\\n") for name, text in entries.items() if name.startswith("data/")}
    made.writestr("manifest.json", json.dumps(manifest))
    for name, text in entries.items():
        made.writestr(name, text)
`;

/** The demo and its people, with a directory for their files. */
export class Backups {
  world;
  directory;

  static async start() {
    const backups = new Backups();
    backups.world = await World.start();
    backups.directory = await mkdtemp(join(tmpdir(), 'mana-backup-'));
    return backups;
  }

  async stop() {
    await this.world.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Somebody at a device of their own. */
  async person(name, options) {
    const device = await this.world.device(options);
    await device.signIn(name);
    await device.synced();
    return device;
  }

  /** Opens the dialog. */
  async open(device) {
    await device.pane.getByRole('button', { name: /^Account/ }).click();
    await device.pane.getByRole('button', { name: 'Backup' }).click();
    return dialogOf(device);
  }

  /** Saves what the dialog is set to; gives the file's path. */
  async save(device) {
    const dialog = dialogOf(device);
    const [download] = await Promise.all([
      device.page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Save backup' }).click(),
    ]);
    const path = join(this.directory, download.suggestedFilename());
    await download.saveAs(path);
    await dialog.getByText(/^Saved [\d,]+ records? as/).waitFor();
    return path;
  }

  /** The names of the tables in a file that is not sealed, each with its rows. */
  async tablesIn(path) {
    const { stdout } = await run('unzip', ['-Z1', path]);
    const names = stdout.split('\n').filter((name) => name.startsWith('data/'));
    const rows = async (name) => {
      const { stdout } = await run('unzip', ['-p', path, name], { maxBuffer: 64 * 1024 * 1024 });
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    };
    return Object.fromEntries(await Promise.all(names.map(async (name) => [name.slice(5, -6), await rows(name)])));
  }

  /** A file like another one, with these entries; gives its path. */
  async made(name, from, entries) {
    const [path, json] = [join(this.directory, name), join(this.directory, `${name}.json`)];
    await writeFile(json, JSON.stringify(entries));
    await run('python3', ['-c', write, from, path, json]);
    return path;
  }

  /** A file with so many tasks like the only one of another file. */
  async many(from, count) {
    const { tasks } = await this.tablesIn(from);
    const rows = Array.from({ length: count }, (_, n) => ({ ...tasks[0], id: `task-${n}` }));
    return this.made(`many-${count}.mana`, from, { 'data/tasks.jsonl': linesOf(rows) });
  }
}

export const dialogOf = (device) => device.page.getByRole('dialog', { name: 'Backup' });

/** Types a passphrase for a file that is to be saved. */
export async function typeTwice(dialog, words) {
  for (const label of ['Passphrase', 'Once more']) await dialog.getByLabel(label, { exact: true }).fill(words);
}

export const linesOf = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Drags a file over an element as a person does, and calls `meanwhile` before it is dropped there. */
export async function drop(device, path, on, meanwhile = () => {}) {
  const session = await device.page.context().newCDPSession(device.page);
  await on.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await on.boundingBox();
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  const drag = (type) => session.send('Input.dispatchDragEvent', { type, x: x + width / 2, y: y + height / 2, data });
  for (const type of ['dragEnter', 'dragOver']) await drag(type);
  await meanwhile();
  await drag('drop');
  await session.detach();
}
