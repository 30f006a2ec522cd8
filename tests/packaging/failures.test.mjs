// The failure rules, in Chromium, through the package as it is: panics, transactions that lose their way, wrong arguments.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { run } from './fresh-app.mjs';
import { outcomeOf } from './outcome.mjs';

const page = (script) =>
  `<!doctype html><link rel="icon" href="data:,"><output></output><script type="module" src="/${script}"></script>`;

describe('when something goes wrong', { timeout: 900_000 }, () => {
  let browser;
  let directory;
  let server;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-failures-'));
    await cp(join(root, 'tests/packaging/failures'), directory, { recursive: true });
    const build = ['--dev', '--features', 'planted-faults', '--out', join(directory, 'pkg')];
    await run(join(root, 'scripts/build-pkg'), build, { cwd: root, timeout: 800_000 });
    for (const name of ['panic', 'transactions', 'bad-input']) {
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

  it('a transaction is all or nothing, whatever its code does', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}transactions.html`);
    assert.deepEqual(outcome, {
      all: 'two',
      foreign: { code: 'transaction_inactive', call: 'write' },
      foreignAtTheEnd: 'transaction_inactive',
      thrown: 'RangeError',
      caught: 'value_not_syncable',
      readOnly: 'read_only_transaction',
      outOfScope: 'unknown_table',
      together: 20,
      kept: { records: ['a', 'g'], logged: ['a', 'g'] },
    });
    assert.deepEqual(complaints, []);
  });

  it('wrong arguments have their codes, write nothing and leave the database usable', async () => {
    const { complaints, ...outcome } = await outcomeOf(browser, `${server.url}bad-input.html`);
    const notSyncable = ['loneSurrogate', 'nul', 'notANumber', 'infinite', 'bigInt', 'map', 'date', 'func', 'cycle'];
    notSyncable.push('tooDeep', 'protoKey', 'constructorField', 'secondOfTwo');
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
    assert.deepEqual(outcome.limits, { deepest: 'resolved', negativeZero: true, emptyRange: [] });
    const ids = ['a', 'deep', 'zero'];
    assert.deepEqual(outcome.kept, { records: ids, logged: ids });
    assert.deepEqual(complaints, []);
  });
});

function each(names, code) {
  return Object.fromEntries(names.map((name) => [name, code]));
}
