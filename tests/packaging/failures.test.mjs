// The failure rules, in Chromium, through the package as it is: panics, transactions that lose their way, wrong arguments.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { expectedWrites } from './expected-writes.mjs';
import { run } from './fresh-app.mjs';
import { outcomeOf } from './outcome.mjs';

const page = (script) =>
  `<!doctype html><link rel="icon" href="data:,"><output></output><script type="module" src="/${script}"></script>`;

const pages = [
  'panic',
  'transactions',
  'bad-input',
  'writes',
  'values',
  'change-events',
  'random-calls',
  'random-queries',
  'sealed',
  'passphrase',
  'idle',
  'forged',
  'keys',
  'lock-scan',
  'lost',
  'dead-handle',
  'traps',
  'rows-of-all-kinds',
  'live-function',
];

describe('when something goes wrong', { timeout: 900_000 }, () => {
  let browser;
  let directory;
  let server;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-failures-'));
    await cp(join(root, 'tests/packaging/failures'), directory, { recursive: true });
    // All of the crate's features, as its tests in the browser have them: what those built is not built again.
    const build = ['--dev', '--features', 'planted-faults,probes', '--out', join(directory, 'pkg')];
    await run(join(root, 'scripts/build-pkg'), build, { cwd: root, timeout: 800_000 });
    for (const name of pages) {
      await writeFile(join(directory, `${name}.html`), page(`${name}.js`));
    }
    server = await serve(directory);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('a panic between a record and its log row keeps neither, and a fresh instance takes over', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}panic.html`);
    assert.deepEqual(outcome, {
      codes: ['engine_panicked', 'engine_panicked', 'engine_panicked'],
      afterFirst: { records: ['before'], logged: ['before'] },
      afterSecond: { records: ['before', 'between'], logged: ['before', 'between'] },
      pending: 3,
    });
    assert.ok(
      complaints.every((line) => /planted|unreachable/.test(line)),
      complaints.join('\n'),
    );
  });

  it('an instance that ends without a panic in a task keeps nothing half-written, and a fresh one takes over', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}traps.html`);
    const ids = ['abort', 'allocation', 'stack'].flatMap((fault) => [`after ${fault}`, `before ${fault}`]).sort();
    assert.deepEqual(outcome, {
      codes: Array(3).fill(['engine_panicked', 'engine_panicked']),
      afterwards: Array(3).fill([1, 0]),
      records: ids,
      logged: ids,
    });
    assert.ok(
      complaints.every((line) => /unreachable|allocation|stack|memory access/.test(line)),
      complaints.join('\n'),
    );
  });

  it('a handle that the browser dropped without a word is replaced, and what had it leads no more', async () => {
    const { complaints: _, ...outcome } = await outcomeOf(browser, `${server.url}dead-handle.html`);
    const once = { codes: ['connection_lost', 'resolved'], held: ['leader', 'open'], waiting: 0 };
    assert.deepEqual(outcome, { outcomes: [once, once], ids: ['before 0', 'before 1', 'second 0', 'second 1'] });
  });

  it('what is sealed leaves no trace in plaintext, and nothing is read or written without the key', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}sealed.html`);
    const title = 'unheard-of marmalade again';
    assert.deepEqual(outcome, {
      refused: { format: 'invalid_schema', indexed: 'invalid_schema', local: 'invalid_schema' },
      shown: {
        ...outcome.shown,
        title,
        notes: { deep: ['unheard-of marmalade'], more: 'unheard-of marmalade!' },
        dueDate: '1970-01-01T00:00:00.000Z',
      },
      same: true,
      scanned: {
        kinds: ['letter', 'parked', 'quarantine'],
        stores: ['_changeLog', '_engine', '_history', 'drafts', 'notes', 'tasks'],
        logged: true,
        letters: true,
        handedOver: true,
      },
      traces: [],
      pushed: true,
      without: {
        state: 'locked',
        dueDate: '1970-01-01T00:00:00.000Z',
        add: 'vault_locked',
        plain: 'resolved',
        elsewhere: 'value_not_syncable',
        back: true,
        modify: 1,
        function: 1,
        copied: true,
        local: 'value_not_syncable',
        inTransaction: 'vault_locked',
        functionInTransaction: 'vault_locked',
        functionInTime: 'vault_locked',
        wrongCode: 'recovery_code_wrong',
        badCode: 'recovery_code_malformed',
        badKey: 'key_malformed',
      },
      seen: [title, 'sealed', title],
      mended: ['unheard-of marmalade refused and mended', 'unheard-of marmalade waits no more'],
      after: [title, 'there and back'],
      states: ['locked', 'unlocked', 'locked', 'unlocked'],
    });
    assert.ok(
      complaints.every((line) => /503|Failed to load|ws:/.test(line)),
      complaints.join('\n'),
    );
  });

  it('a passphrase wraps the key and opens the vault with WebCrypto and without, and a lock that comes meanwhile wins', async () => {
    const opened = {
      wrong: 'passphrase_wrong',
      state: 'locked',
      title: 'jam',
      how: { kdf: 'PBKDF2-SHA256', iterations: 600_000 },
      lengths: [24, 16, 64],
      locked: 'vault_locked',
      again: 'jam',
    };
    assert.deepEqual(await outcomeOf(browser, `${server.url}passphrase.html`, 120_000), {
      byBrowser: opened,
      meanwhile: { code: 'vault_locked', state: 'locked' },
      wrappedMeanwhile: 'vault_locked',
      byModule: opened,
      derivations: [6, 6],
      complaints: [],
    });
  });

  it('a vault that nobody uses is locked in all tabs, and one that is used in none', async () => {
    const context = await browser.newContext();
    try {
      await context.clock.install();
      const tabs = [await context.newPage(), await context.newPage()];
      for (const tab of tabs) {
        await tab.goto(`${server.url}idle.html`);
        await tab.waitForFunction(() => 'states' in globalThis, undefined, { timeout: 30_000 });
      }
      const all = (work) => Promise.all(tabs.map(work));
      const shows = (state) => all((tab) => tab.waitForFunction((one) => globalThis.states.at(-1) === one, state));
      await tabs[0].evaluate(() => globalThis.unlock());
      await shows('unlocked');
      // An hour would be too much.
      await context.clock.fastForward('40:00');
      await all((tab) => tab.keyboard.press('a'));
      await context.clock.fastForward('40:00');
      await all((tab) => tab.evaluate(() => globalThis.edit()));
      await context.clock.fastForward('40:00');
      await all((tab) => tab.evaluate(() => globalThis.show()));
      await context.clock.fastForward('40:00');
      assert.deepEqual(await all((tab) => tab.evaluate(() => globalThis.edit())), [1, 1]);
      await context.clock.fastForward('01:01:00');
      await shows('locked');
      const told = await all((tab) => tab.evaluate(async () => [globalThis.states, await globalThis.isLocked()]));
      assert.deepEqual(told, Array(2).fill([['locked', 'unlocked', 'locked'], true]));
    } finally {
      await context.close();
    }
  });

  it('no key, code or passphrase is left in memory once the vault is locked, the user signed out, or the engine closed', async () => {
    const { complaints, there, left } = await outcomeOf(browser, `${server.url}lock-scan.html`, 120_000);
    const ends = [
      'locked',
      'unlocked by the code, and locked',
      'unlocked by the passphrase, and locked',
      'unlocked by the passphrase without WebCrypto, and locked',
      'signed out',
      'signed out and closed',
      'destroyed',
      'closed',
    ];
    assert.deepEqual(there, Object.fromEntries(ends.map((end) => [end, true])));
    assert.deepEqual(left, each(ends, []));
    assert.deepEqual(complaints, []);
  });

  it('what a server puts in place of a sealed value is told and not shown', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}forged.html`);
    assert.deepEqual(outcome, {
      attacked: { shown: 'mine', stored: 'made up', codes: ['forged_value', 'downgrade'] },
      hidden: false,
      same: true,
      locked: true,
      unlocked: 'mine',
      restored: { sealed: true, shadow: false },
      kept: [
        ['mine', null],
        ['mine', 'made up'],
        ['mine', { made: 'up' }],
      ],
      shown: ['mine', 'a note', 'another'],
      seen: ['mine', 'sealed'],
    });
    assert.ok(
      complaints.every((line) => /Failed to load|ws:/.test(line)),
      complaints.join('\n'),
    );
  });

  it('a database that the browser closed is opened again by itself', async () => {
    const context = await browser.newContext();
    try {
      const tab = await context.newPage();
      await tab.goto(`${server.url}lost.html`);
      await tab.waitForFunction(() => 'goOn' in globalThis, undefined, { timeout: 30_000 });
      const session = await context.newCDPSession(tab);
      const { origin } = new URL(server.url);
      await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
      assert.equal(await tab.evaluate(() => globalThis.goOn()), 'ready');
    } finally {
      await context.close();
    }
  });

  it('awkward keys are read, listed and told, or refused', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}keys.html`);
    assert.deepEqual(outcome, {
      generated: [1, 1],
      lengths: [1, 1],
      sizes: 1,
      halves: 'bulk_failed',
      after: { stored: ['cut', 'ok'], ids: ['cut', 'ok'], names: ['cut \ufffd', 'whole'], listed: ['cut', 'ok'] },
      heard: [[1, 'x'], 5],
      unreadable: { detached: ['value_not_syncable', 'resolved'], date: ['invalid_record', 'resolved'] },
      torn: false,
      versions: { 0: 'invalid_schema', '-1': 'invalid_argument', 1.5: 'invalid_argument', 429496730: 'invalid_schema' },
    });
    assert.deepEqual(complaints, []);
  });

  it('a transaction is all or nothing, whatever its code does', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}transactions.html`);
    assert.deepEqual(outcome, {
      all: 'two',
      foreign: { code: 'transaction_inactive', call: 'tasks.add' },
      foreignAtTheEnd: 'transaction_inactive',
      thrown: 'RangeError',
      caught: 'value_not_syncable',
      readOnly: 'read_only_transaction',
      outOfScope: 'unknown_table',
      waitsForItself: ['transaction_inactive', 'transaction_inactive'],
      together: 20,
      parallel: 12,
      drafts: 13,
      kept: { records: ['a', 'g'], logged: ['a', 'g'] },
    });
    assert.deepEqual(complaints, []);
  });

  it('wrong arguments have their codes, write nothing and leave the database usable', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}bad-input.html`);
    const notSyncable = ['loneSurrogate', 'nul', 'notANumber', 'infinite', 'bigInt', 'map', 'date', 'func', 'cycle'];
    notSyncable.push('tooDeep', 'protoKey', 'constructorField');
    const expected = {
      unknownTable: 'unknown_table',
      unknownIndex: 'unknown_index',
      ...each(['notAnObject', 'nullRecord'], 'invalid_argument'),
      ...each(['numberAsId', 'emptyId', 'idWithNul', 'loneSurrogateId'], 'invalid_record'),
      ...each(['protoId', 'invalidKey'], 'invalid_record'),
      ...each(['booleanKey', 'noText', 'wrongRange'], 'invalid_argument'),
      noIndexOfSeveral: 'unknown_index',
      ...each(notSyncable, 'value_not_syncable'),
      existing: 'already_exists',
      secondOfTwo: 'bulk_failed',
      ...each(['immutable', 'otherSpace'], 'immutable_field'),
      unknownSpace: 'unknown_space',
      reserved: 'reserved_field',
      uniqueOnSynced: 'unique_on_synced',
      ...each(['notById', 'noIndex', 'engineStore', 'missingStore'], 'invalid_schema'),
      otherUser: 'other_user',
      unsent: 'unsent_changes',
      stillThere: 'kept',
      closed: 'closed',
    };
    assert.deepEqual(outcome.codes, expected);
    assert.deepEqual(outcome.wrong.others, {});
    assert.ok(outcome.wrong.count > 100, 'every call is made');
    assert.deepEqual(outcome.limits, { deepest: 'resolved', negativeZero: true, emptyRange: [] });
    const ids = ['a', 'deep', 'y', 'zero'];
    assert.deepEqual(outcome.kept, { records: ids, logged: ids });
    assert.deepEqual(complaints, []);
  });

  it('writes of several rows, by query and by path do what they can and name the rest', async () => {
    assert.deepEqual(await outcomeOf(browser, `${server.url}writes.html`), expectedWrites);
  });

  it('every value survives in local tables, is refused by its path elsewhere, and dates are Dates', async () => {
    const { survived, paths, dates, complaints } = await outcomeOf(browser, `${server.url}values.html`);
    assert.deepEqual(new Set(Object.values(survived)), new Set([true]), JSON.stringify(survived));
    const { nested, cycle, sparse, undefinedInList, ...others } = paths;
    assert.equal(nested, 'resolved');
    assert.match(cycle, /^outer\.inner\[1\](\.self)+$/);
    assert.deepEqual([sparse, undefinedInList], ['outer.inner[1][1]', 'outer.inner[1][1]']);
    assert.deepEqual(new Set(Object.values(others)), new Set(['outer.inner[1]']), JSON.stringify(others));
    assert.deepEqual(dates, {
      live: true,
      update: true,
      modify: 2,
      read: ['2026-05-09T10:00:00.000Z', '2026-05-01T10:00:00.000Z'],
      stored: '2026-05-09T10:00:00.000Z',
      refused: 'dueDate',
      changes: ['update dueDate', 'update dueDate', 'update dueDate', 'insert '],
    });
    assert.deepEqual(complaints, []);
  });

  it('rows of all kinds, dotted names, replaced rows and dates of any spelling are stored as they are meant', async () => {
    const others = ['Blob', 'Date', 'File', 'Map', 'Uint8Array'];
    const dotted = [
      [2, 'other', null],
      [null, 'other', 3],
      [null, 'by path', 4],
    ];
    assert.deepEqual(await outcomeOf(browser, `${server.url}rows-of-all-kinds.html`), {
      stored: others,
      read: ['hello', 1, 3],
      refused: ['invalid_record', 'invalid_record', 'invalid_record', 'invalid_record', 'invalid_argument'],
      fields: Array.from({ length: 5 }, () => 'invalid_record'),
      untouched: others,
      live: ['ready', 'Blob', 'Date', 'File', 'Map', 'String', 'Uint8Array'],
      dotted: { notes: dotted, drafts: dotted },
      replaced: 1,
      replacement: ['new', null, 'u1'],
      noReplacement: 'invalid_argument',
      dates: {
        stored: ['2026-01-01T00:00:00.000Z', 'soon'],
        equal: ['a', 'b', 'c', 'e'],
        above: [],
        starting: 4,
        far: 'value_not_syncable',
        before: 'value_not_syncable',
        bound: 'invalid_argument',
      },
      distinct: [['1', '2', '3', '9'], 3],
      entries: ['1', '1'],
      keys: [true, true],
      frozen: 'number',
      complaints: [],
    });
  });

  it('a function that is followed runs again when a tab commits to a table it read', async () => {
    assert.deepEqual(await outcomeOf(browser, `${server.url}live-function.html`), {
      seen: [null, 'a,b,0', 'a,b,1', 'b,1', '1', 'c,2'],
      unread: 0,
      status: 'ready',
      complaints: [],
    });
  });

  it('each commit is told with what happened to which rows and fields, in every tab', async () => {
    const { here, alike, complaints } = await outcomeOf(browser, `${server.url}change-events.html`);
    const said = here.map((commit) =>
      commit.map(({ table, op, origin, ids, fields }) => [table, op, origin, ids.join(), fields.join()].join(' ')),
    );
    assert.deepEqual(said, [
      ['tasks insert user a,b '],
      ['tasks update user a title,done'],
      ['tasks update agent b title'],
      ['tasks delete user b '],
      ['tasks restore user b deletedAt'],
      ['tasks delete user b '],
      ['drafts insert user 1 ', 'drafts update user 1 text,when', 'tasks update user a title'],
      ['drafts update user 1 text'],
      ['drafts delete user 1 '],
    ]);
    assert.ok(here.flat().every((change) => change.here));
    assert.equal(alike, true, 'another tab hears the same');
    assert.deepEqual(complaints, []);
  });

  for (const seed of process.env.SEED ? [process.env.SEED] : [1, 2]) {
    it(`queries and calls with arguments that nobody should pass are refused by a code (SEED=${seed})`, async (context) => {
      const url = `${server.url}random-queries.html?seed=${seed}&calls=${process.env.CALLS ?? 300}`;
      const { kinds, resolved, saved, complaints, ...outcome } = await outcomeOf(browser, url, 300_000);
      context.diagnostic(`${resolved} resolved; ${kinds.join(' ')}`);
      assert.deepEqual(outcome, { strays: [], works: 'works', seed: Number(seed) });
      assert.ok(resolved > 60 && saved > 15 && kinds.length > 5, 'the calls reach something');
      assert.deepEqual(complaints, []);
    });
  }

  for (const seed of process.env.SEED ? [process.env.SEED] : [1, 2, 3]) {
    it(`random calls, right and wrong, leave a working engine (SEED=${seed})`, async (context) => {
      const url = `${server.url}random-calls.html?seed=${seed}&calls=300`;
      const { kinds, resolved, complaints, ...outcome } = await outcomeOf(browser, url);
      context.diagnostic(`${resolved} resolved; ${kinds.join(' ')}`);
      const sound = { strays: [], disagreements: [], died: 0, works: 'works', seed: Number(seed) };
      assert.deepEqual(outcome, sound);
      assert.ok(resolved > 80 && kinds.length > 8, 'the calls reach something');
      assert.deepEqual(complaints, []);
    });
  }
});

function each(names, code) {
  return Object.fromEntries(names.map((name) => [name, code]));
}
