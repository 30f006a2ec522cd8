// A person's backup, written and read by the package in a real browser: by themselves, and by another person.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../../support/places.mjs';
import { BareDevices } from '../support/bare-devices.mjs';

const words = 'correct horse battery staple';
const fixture = async (name) => (await readFile(join(root, 'archive/tests/fixtures', name))).toString('base64');
const sum = ({ tables }, what) => tables.reduce((total, table) => total + table[what], 0);

describe('an archive', { timeout: 300_000 }, () => {
  let devices;

  before(async () => {
    devices = await BareDevices.start('archive.js');
  });
  after(() => devices?.stop());

  async function ada() {
    const device = await devices.profile();
    await device.told('open', null, 'ada', 7);
    await device.told('add', 'tasks', [
      { id: 'a', title: 'a secret', notes: 'of mine', done: false },
      { id: 'b', title: 'Grüße 🚀', done: true },
    ]);
    await device.told('add', 'userSettings', [{ id: 'theme', value: 'dark' }]);
    await device.told('add', 'drafts', [{ id: 'd', text: 'stays here' }]);
    return device;
  }

  it('of_one_person_becomes_anothers_own_on_all_their_devices', async () => {
    const from = await ada();
    const plain = await from.told('export', 'plain');
    assert.deepEqual(plain.rowCounts, { tasks: 2, projects: 0, emptyTable: 0, userSettings: 1 });
    assert.match(plain.fileName, /^mana-full-\d{4}-\d\d-\d\d\.mana$/);
    assert.deepEqual(plain.missing, []);
    const sealed = await from.told('export', 'sealed', { passphrase: words, appIds: ['todo'] });
    assert.match(sealed.fileName, /^mana-todo-.*\.sealed\.mana$/);
    const info = await from.told('inspect', 'sealed');
    assert.deepEqual([info.isSealed, info.userId, info.appIds, info.schemaVersion], [true, 'ada', ['todo'], 3]);

    const { url } = devices.server;
    const [one, other] = [await devices.profile(), await devices.profile()];
    await one.told('open', url, 'bob', 9);
    await other.told('open', url, 'bob', 9);
    await one.told('take', 'sealed', await from.told('give', 'sealed'));
    assert.equal(await one.told('import', 'sealed'), 'passphrase_required');
    assert.equal(await one.told('import', 'sealed', { passphrase: 'another' }), 'wrong_passphrase');
    const dry = await one.told('import', 'sealed', { passphrase: words, dryRun: true });
    assert.deepEqual([sum(dry, 'new'), await one.told('rows', 'tasks')], [2, []]);
    const taken = await one.told('import', 'sealed', { passphrase: words });
    assert.deepEqual(taken, dry);
    await one.told('sync');
    await other.told('sync');
    for (const device of [one, other]) {
      const rows = await device.told('rows', 'tasks');
      assert.deepEqual(
        rows.map(({ id, title, notes, authorId }) => [id, title, notes, authorId]),
        [
          ['a', 'a secret', 'of mine', 'bob'],
          ['b', 'Grüße 🚀', undefined, 'bob'],
        ],
      );
    }
  });

  it('that_goes_to_another_space_has_records_that_name_each_other_still', async () => {
    const device = await ada();
    const project = '019b76da-bb88-7000-8000-000000000001';
    await device.told('add', 'projects', [{ id: project, name: 'Spring' }]);
    await device.told('add', 'tasks', [{ id: 'of-the-project', title: 'x', projectId: project, tags: [project, 'b'] }]);
    await device.told('export', 'own', { passphrase: words });
    await device.told('setSpaces', [{ id: 'choir', type: 'family' }]);
    for (const [fresh, dryRun] of [
      [4, true],
      [4, false],
      [0, false],
    ]) {
      const into = { passphrase: words, spaceId: 'choir', dryRun };
      const { tables, renamed, references } = await device.told('import', 'own', into);
      const made = tables.reduce((total, table) => total + table.new, 0);
      assert.deepEqual([made, renamed.length, references], [fresh, 4, 2]);
      const to = Object.fromEntries(renamed.map((names) => [names.from, names.to]));
      const task = (await device.told('rowsEverywhere', 'tasks')).find(({ id }) => id === to['of-the-project']);
      if (dryRun) assert.equal(task, undefined);
      else assert.deepEqual([task.projectId, task.tags], [to[project], [to[project], 'b']]);
    }
  });

  it('that_goes_to_another_space_leaves_ids_alone_that_name_something_else_as_well', async () => {
    const device = await ada();
    const [choir, theme] = ['019b76da-bb88-7000-8000-0000000000c0', '019b76da-bb88-7000-8000-000000000009'];
    await device.told(
      'add',
      'projects',
      [choir, theme].map((id) => ({ id, name: id })),
    );
    await device.told('add', 'userSettings', [{ id: theme, value: 'dark' }]);
    await device.told('add', 'tasks', [{ id: 'naming', title: 'x', projectId: choir, tags: [theme, choir] }]);
    await device.told('export', 'naming');
    await device.told('setSpaces', [{ id: choir, type: 'family' }]);
    const { renamed, references } = await device.told('import', 'naming', { spaceId: choir });
    assert.equal(references, 0);
    const { to } = renamed.find(({ from }) => from === 'naming');
    const task = (await device.told('rowsEverywhere', 'tasks')).find(({ id }) => id === to);
    assert.deepEqual([task.projectId, task.tags], [choir, [theme, choir]]);
  });

  it('that_was_damaged_is_told_from_one_with_other_words_and_changes_nothing', async () => {
    const device = await ada();
    const { bytes } = await device.told('export', 'whole', { passphrase: words });
    await device.told('damage', 'whole', 'damaged', Math.floor(bytes / 2));
    await device.told('damage', 'whole', 'cut', -1);
    const before = await device.told('rows', 'tasks');
    assert.equal(await device.told('import', 'damaged', { passphrase: words, mode: 'overwrite' }), 'archive_damaged');
    assert.ok(['archive_damaged', 'not_an_archive'].includes(await device.told('inspect', 'cut')));
    assert.equal(await device.told('import', 'whole', { passphrase: 'x' }), 'wrong_passphrase');
    await device.told('take', 'no zip', btoa('hello'));
    assert.equal(await device.told('inspect', 'no zip'), 'not_an_archive');
    assert.deepEqual(await device.told('rows', 'tasks'), before);
  });

  it('opens_with_its_words_however_their_letters_are_spelt', async () => {
    const device = await ada();
    await device.told('export', 'spelt', { passphrase: 'Zu\u0308rich schla\u0308ft ﬁx' });
    const taken = await device.told('import', 'spelt', { passphrase: 'Zürich schläft fix' });
    assert.equal(sum(taken, 'unchanged'), 3);
    assert.equal(
      sum(await device.told('import', 'spelt', { passphrase: 'Zu\u0308rich schla\u0308ft ﬁx' }), 'unchanged'),
      3,
    );
  });

  it('lets_what_is_newer_stand_unless_it_is_to_overwrite', async () => {
    const device = await ada();
    await device.told('export', 'backup');
    await device.told('update', 'tasks', 'a', { title: 'edited since' });
    await device.told('delete', 'tasks', 'b');
    const merged = await device.told('import', 'backup');
    assert.deepEqual([sum(merged, 'unchanged'), sum(merged, 'deleted'), sum(merged, 'changed')], [2, 1, 0]);
    const [kept] = await device.told('rows', 'tasks');
    assert.equal(kept.title, 'edited since');
    const over = await device.told('import', 'backup', { mode: 'overwrite' });
    assert.equal(sum(over, 'changed'), 2);
    assert.deepEqual(
      (await device.told('rows', 'tasks')).map(({ title }) => title),
      ['a secret', 'Grüße 🚀'],
    );
  });

  it('is_taken_in_but_for_tables_that_do_not_sync_here', async () => {
    const device = await ada();
    await device.told('fill', 3);
    await device.told('export', 'all');
    const other = await devices.profile();
    await other.told('open', null, 'kim', 5, 3, { tables: { tasks: {} } });
    await other.told('take', 'all', await device.told('give', 'all'));
    const { tables, skipped } = await other.told('import', 'all');
    assert.deepEqual(skipped, ['projects', 'emptyTable']);
    assert.deepEqual(
      tables.map(({ table, new: count }) => [table, count]),
      [
        ['tasks', 2],
        ['userSettings', 1],
      ],
    );
    assert.deepEqual(await other.told('rows', 'projects'), []);
  });

  it('neither_goes_out_nor_in_while_the_vault_is_locked', async () => {
    const device = await ada();
    await device.told('export', 'before');
    await device.told('lock');
    assert.equal(await device.told('export', 'locked'), 'vault_locked');
    await device.told('delete', 'tasks', 'a');
    assert.equal(await device.told('import', 'before', { mode: 'overwrite' }), 'vault_locked');
  });

  it('goes_on_where_it_was_when_it_was_cancelled', async () => {
    const device = await ada();
    const workers = [];
    device.page.on('worker', (worker) => workers.push(worker.url()));
    await device.told('fill', 12_000);
    const { told, rowCounts } = await device.told('export', 'many');
    assert.ok(
      workers.some((url) => url.endsWith('archive-worker.js')),
      'in a worker',
    );
    assert.equal(rowCounts.projects, 12_000);
    assert.equal(told.at(-2).done, 1, 'the last rows are those of the settings');
    assert.ok(told.filter(({ table }) => table === 'projects').length > 10, 'in pages');
    const other = await devices.profile();
    await other.told('open', null, 'carol', 5);
    await other.told('take', 'many', await device.told('give', 'many'));
    const { code, cause, applied } = await other.told('ended', 'import', 'many', 'cancel');
    assert.deepEqual([code, cause], ['cancelled', 'AbortError']);
    const some = (await other.told('rows', 'projects')).length;
    assert.ok(some > 0 && some < 12_000, 'what was taken in stays');
    assert.deepEqual(
      applied.tables.map((table) => [table.table, table.new]),
      [
        ['tasks', 2],
        ['projects', some],
      ],
      'and is told',
    );
    const all = await other.told('import', 'many');
    assert.deepEqual([sum(all, 'new'), sum(all, 'unchanged')], [12_001 - some, some + 2]);
    assert.equal((await other.told('rows', 'projects')).length, 12_000);
    const again = await other.told('import', 'many');
    assert.equal(sum(again, 'unchanged'), 12_003, 'twice is once');
  });

  it('says_what_was_taken_in_before_it_failed', async () => {
    const device = await ada();
    await device.told('fill', 3000);
    await device.told('export', 'some');
    const other = await devices.profile();
    await other.told('open', null, 'ivy', 5);
    await other.told('take', 'some', await device.told('give', 'some'));
    const { code, applied } = await other.told('ended', 'import', 'some', 'close');
    assert.equal(code, 'closed');
    await other.told('open', null, 'ivy', 5);
    const some = (await other.told('rows', 'projects')).length;
    assert.ok(some > 0 && some < 3000);
    assert.equal(applied.tables.find(({ table }) => table === 'projects').new, some);
  });

  it('that_was_damaged_near_its_end_changes_nothing', async () => {
    const device = await ada();
    await device.told('fill', 20_000);
    const { bytes } = await device.told('export', 'whole');
    await device.told('damage', 'whole', 'damaged', Math.floor(bytes * 0.9));
    const other = await devices.profile();
    await other.told('open', null, 'jim', 5);
    await other.told('take', 'damaged', await device.told('give', 'damaged'));
    assert.equal(await other.told('import', 'damaged'), 'archive_damaged');
    for (const table of ['tasks', 'projects', 'userSettings'])
      assert.deepEqual(await other.told('rows', table), [], table);
  });

  it('that_is_cancelled_while_it_goes_out_leaves_nothing_behind', async () => {
    const device = await ada();
    await device.told('fill', 3000);
    const { code, cause } = await device.told('ended', 'export', null, 'cancel');
    assert.deepEqual([code, cause], ['cancelled', 'AbortError']);
    const { rowCounts } = await device.told('export', 'whole');
    assert.equal(rowCounts.projects, 3000, 'the next one is whole');
  });

  it('has_at_most_500_rows_looked_at_at_once', async () => {
    const device = await ada();
    await device.told('fill', 3000);
    await device.told('export', 'many');
    const { tables } = await device.told('import', 'many', { dryRun: true });
    const pages = tables.map((counts) => Math.ceil((counts.new + counts.changed + counts.unchanged) / 500));
    // Once when it is read, for each page, and at each table's end.
    const expected = pages.reduce((total, more) => total + more + 1, 1);
    assert.equal((await device.told('looks', 'many')).file, expected);
  });

  it('goes_out_in_smaller_pages_where_rows_are_large', async () => {
    const device = await ada();
    await device.told('fillLarge', 400, 20_000);
    const { told, rowCounts } = await device.told('export', 'large');
    assert.equal(rowCounts.projects, 400);
    const done = told.filter(({ table }) => table === 'projects').map((progress) => progress.done);
    const pages = done.map((rows, at) => rows - (done[at - 1] ?? 0));
    assert.ok(pages.length > 20 && Math.max(...pages.slice(1)) <= 14, `some 256 KB each: ${pages}`);
  });

  it('of_the_app_before_this_engine_is_read_whole', async () => {
    const names = ['plain.mana', 'sealed.mana', 'sealed-badsha.mana', 'sealed-tampered.mana', 'v1-refused.mana'];
    const device = await devices.profile();
    await device.told('open', null, 'dora', 3, 55);
    for (const name of names) await device.told('take', name, await fixture(name));
    const taken = await device.told('import', 'plain.mana');
    assert.deepEqual(
      taken.tables.map(({ table, new: count }) => [table, count]),
      [
        ['tasks', 250],
        ['projects', 12],
        ['emptyTable', 0],
        ['userSettings', 1],
      ],
    );
    const [first] = await device.told('rows', 'tasks');
    assert.equal(first.title, 'Grüße aus Zürich 🚀 0');
    assert.match(first.nested.deep.s, /^"quoted"\n?.*\u2028/s);
    const again = await device.told('import', 'sealed.mana', { passphrase: words });
    assert.deepEqual([sum(again, 'unchanged'), sum(again, 'new')], [263, 0], 'the same, sealed');
    const opened = (name) => device.told('import', name, { passphrase: words });
    assert.equal(await opened('sealed-badsha.mana'), 'archive_damaged');
    assert.equal(await opened('sealed-tampered.mana'), 'wrong_passphrase_or_damaged');
    assert.equal(await device.told('inspect', 'v1-refused.mana'), 'unsupported_version');
    for (const [version, code] of [
      [58, 'schema_too_old'],
      [54, 'schema_too_new'],
    ]) {
      const other = await devices.profile();
      await other.told('open', null, 'dora', 3, version);
      await other.told('take', 'plain.mana', await fixture('plain.mana'));
      assert.equal(await other.told('import', 'plain.mana'), code);
    }
  });

  it('of_an_older_version_is_brought_forward', async () => {
    const device = await ada();
    await device.told('export', 'older');
    const file = await device.told('give', 'older');
    const rename = { schemaVersion: 2, migrations: { 2: { tasks: { rename: { done: 'finished' } } } } };
    const opened = async (...app) => {
      const other = await devices.profile();
      await other.told('open', null, 'erin', 5, ...app);
      await other.told('take', 'older', file);
      return other;
    };
    // Of the database's version, of one more, and of more than two more: only the app's says which steps are due.
    for (const version of [3, 4, 9]) {
      const other = await opened(version, rename);
      assert.equal(sum(await other.told('import', 'older'), 'new'), 3);
      const rows = await other.told('rows', 'tasks');
      assert.deepEqual(
        rows.map(({ id, done, finished }) => [id, done, finished]),
        [
          ['a', undefined, false],
          ['b', undefined, true],
        ],
        `version ${version}`,
      );
    }
    const undeclared = await opened(9, { schemaVersion: 2 });
    assert.equal(await undeclared.told('import', 'older'), 'schema_too_old', 'no step leads on from it');
    const same = await opened(9);
    assert.equal(sum(await same.told('import', 'older'), 'new'), 3, "the app's data are of the same version");
  });

  it('of_this_version_is_not_brought_forward_again_and_a_newer_one_is_refused', async () => {
    const device = await devices.profile();
    // A name that an earlier step took away is in use again: another run of that step would lose it.
    const swap = { schemaVersion: 9, migrations: { 9: { tasks: { rename: { done: 'finished' } } } } };
    await device.told('open', null, 'finn', 5, 3, swap);
    await device.told('add', 'tasks', [{ id: 'a', title: 't', done: 'another', finished: true }]);
    await device.told('export', 'own');
    const other = await devices.profile();
    await other.told('open', null, 'gus', 5, 3, swap);
    await other.told('take', 'own', await device.told('give', 'own'));
    await other.told('import', 'own');
    const [{ done, finished }] = await other.told('rows', 'tasks');
    assert.deepEqual([done, finished], ['another', true]);
    const behind = await devices.profile();
    await behind.told('open', null, 'hal', 5, 3, { schemaVersion: 8 });
    await behind.told('take', 'own', await device.told('give', 'own'));
    assert.equal(await behind.told('import', 'own'), 'schema_too_new');
    assert.deepEqual(await behind.told('rows', 'tasks'), []);
  });

  it('opens_with_unzip', async () => {
    const device = await ada();
    await device.told('export', 'plain');
    const directory = await mkdtemp(join(tmpdir(), 'mana-archive-'));
    try {
      const file = join(directory, 'backup.mana');
      await writeFile(file, Buffer.from(await device.told('give', 'plain'), 'base64'));
      const { stdout } = await promisify(execFile)('unzip', ['-p', file, 'data/tasks.jsonl']);
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        rows.map(({ title }) => title),
        ['a secret', 'Grüße 🚀'],
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
