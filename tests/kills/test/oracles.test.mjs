// The checks themselves: each kind of damage is found, and what is whole passes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomOf } from '../../support/page/random.js';
import { editOf } from '../../support/phone.mjs';
import { differences } from '../../support/replicas.mjs';
import { tables } from '../page/writes.js';
import { Heard } from '../support/heard.mjs';
import { different, Pages, wrongIn } from '../support/imports.mjs';
import { Ledger } from '../support/ledger.mjs';
import { tornStates } from '../support/oracle.mjs';
import { rounds } from '../support/plan.mjs';
import { Tally } from '../support/tally.mjs';

const [early, late] = ['2026-01-01T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z'];
const task = (at, more) => ({ id: 'a', title: 'Milk', __fieldMeta: { title: { at } }, ...more });
const logged = (at) => ({
  at,
  changes: [{ table: 'tasks', id: 'a', op: 'update', fields: { title: { value: 'Milk', at } } }],
});
const stored = ({ tasks = [], log = [], drafts = [] }) => ({ tasks, notes: [], lists: [], drafts, _changeLog: log });
const server = ({ edits = [], records = [] } = {}) => ({ tables, edits: new Set(edits), records: new Map(records) });

describe('a torn state', () => {
  it('is_not_a_record_whose_stamp_is_in_the_log_or_on_the_server', () => {
    assert.deepEqual(tornStates(stored({ tasks: [task(early)], log: [logged(early)] }), server()), []);
    const known = server({ edits: [editOf('tasks', 'a', 'title', early)] });
    assert.deepEqual(tornStates(stored({ tasks: [task(early)] }), known), []);
  });

  it('is_a_record_without_its_log_entry', () => {
    assert.equal(tornStates(stored({ tasks: [task(late)], log: [logged(early)] }), server()).length, 1);
  });

  it('is_a_log_entry_without_its_record_unless_a_later_edit_beat_it', () => {
    assert.equal(tornStates(stored({ log: [logged(early)] }), server()).length, 1);
    const beaten = stored({ tasks: [task(late)], log: [logged(early), logged(late)] });
    assert.deepEqual(tornStates(beaten, server()), []);
    const known = server({ edits: [editOf('tasks', 'a', 'title', early)] });
    assert.equal(tornStates(stored({ tasks: [task(early)], log: [logged(late)] }), known).length, 1);
  });
});

describe('what an import left', () => {
  const row = (id) => ({ id, title: 'Milk', __fieldMeta: { title: { at: early } } });
  const said = (id) => ({ at: early, changes: [{ table: 'tasks', id, op: 'insert', data: { title: 'Milk' } }] });
  const pages = new Pages();
  for (const done of [2, 3]) pages.hear({ table: 'tasks', done });
  pages.hear({ table: 'notes', done: 1 });
  const expected = { tasks: ['a', 'b', 'c'].map(row), notes: [row('n')] };
  const wrong = (ids, { log = ids, notes = [] } = {}) => {
    const rows = { ...stored({ tasks: ids.map(row), log: log.map(said) }), notes };
    return wrongIn(rows, pages, expected, server({ edits: [editOf('notes', 'n', 'title', early)] })).length;
  };

  it('is_whole_where_the_first_pages_are_there_each_with_its_log_entries', () => {
    for (const ids of [[], ['a', 'b'], ['a', 'b', 'c']]) assert.equal(wrong(ids), 0, String(ids));
    assert.equal(wrong(['a', 'b', 'c'], { notes: [row('n')] }), 0);
  });

  it('is_not_where_a_page_is_there_in_part_or_before_another_or_without_its_log_entries', () => {
    assert.equal(wrong(['a']), 1, 'half a page');
    assert.equal(wrong(['a', 'c']), 1, 'a row is left out');
    assert.equal(wrong(['a', 'b'], { notes: [row('n')] }), 1, 'a later table');
    assert.equal(wrong(['a', 'b'], { log: ['a'] }), 1, 'a row without its log entry');
    assert.equal(wrong(['a', 'b'], { log: ['a', 'b', 'c'] }), 1, 'a log entry without its row');
  });

  it('differs_where_a_row_has_another_value_or_stamp_and_not_where_it_is_somebody_elses', () => {
    const read = (more) => ({ tasks: [{ ...row('a'), ...more }], notes: [] });
    assert.deepEqual(different(read({}), expected, 'kim'), []);
    assert.deepEqual(different(read({ title: null }), expected, 'kim'), ['a: title']);
    assert.deepEqual(different(read({ __fieldMeta: { title: { at: late } } }), expected, 'kim'), ['a: __fieldMeta']);
    const of = (user) => ({ tasks: [{ ...row('a'), authorId: user, spaceId: `_personal:${user}` }], notes: [] });
    assert.deepEqual(different(of('kim'), of('ada'), 'kim'), []);
    assert.deepEqual(different(of('bob'), of('ada'), 'kim'), ['a: authorId,spaceId']);
  });
});

describe('device and server', () => {
  const fields = (value, at) => new Map([['title', { value, at }]]);

  it('differ_when_one_lacks_a_record_or_has_another_value_or_stamp', () => {
    const both = server({ records: [['tasks/a', fields('Milk', early)]] });
    assert.deepEqual(differences(stored({ tasks: [task(early)] }), both), []);
    assert.equal(differences(stored({}), both).length, 1);
    assert.equal(differences(stored({ tasks: [task(early)] }), server()).length, 1);
    assert.equal(differences(stored({ tasks: [task(late)] }), both).length, 1);
    assert.equal(differences(stored({ tasks: [task(early, { title: 'Oat' })] }), both).length, 1);
  });
});

describe('the ledger', () => {
  const effects = [
    [['tasks', 'a', 'put']],
    [
      ['tasks', 'b', 'put'],
      ['drafts', 'd', 'put'],
    ],
    [['tasks', 'a', 'delete']],
  ];
  const ledgerOf = (heard, saved) => {
    const ledger = new Ledger((_seed, n) => ({ call: 'test', effects: effects[n - 1] ?? [] }));
    ledger.begin(1);
    for (let n = 1; n <= heard; n += 1) ledger.hear({ started: n });
    for (let n = 1; n <= saved; n += 1) ledger.hear({ saved: n });
    return ledger;
  };
  const three = () => ledgerOf(3, 2);
  const row = (id, n, deletedAt = null) => ({ id, n, deletedAt });

  it('takes_a_write_under_way_as_done_or_not_done', () => {
    const without = stored({ tasks: [row('a', 1), row('b', 2)], drafts: [{ id: 'd', n: 2 }] });
    const withIt = stored({ tasks: [row('a', 1, late), row('b', 2)], drafts: [{ id: 'd', n: 2 }] });
    assert.deepEqual(three().account(without), { lost: 0 });
    assert.deepEqual(three().account(withIt), { lost: 0 });
  });

  it('knows_writes_that_were_not_heard_of', () => {
    const all = stored({ tasks: [row('a', 1, late), row('b', 2)], drafts: [{ id: 'd', n: 2 }] });
    assert.deepEqual(ledgerOf(1, 0).account(all), { lost: 0 });
    assert.throws(() => ledgerOf(1, 0).account(stored({ tasks: [row('b', 2)], drafts: [{ id: 'd', n: 2 }] })));
  });

  it('counts_acknowledged_writes_that_are_missing_from_the_end', () => {
    assert.deepEqual(three().account(stored({ tasks: [row('a', 1)] })), { lost: 1 });
    assert.deepEqual(three().account(stored({})), { lost: 2 });
  });

  it('refuses_a_gap_and_a_transaction_that_is_there_in_part', () => {
    assert.throws(() => three().account(stored({ tasks: [row('b', 2)], drafts: [{ id: 'd', n: 2 }] })));
    assert.throws(() => three().account(stored({ tasks: [row('a', 1), row('b', 2)] })));
  });

  it('misses_on_the_server_what_was_said_to_be_synced', () => {
    const ledger = three();
    ledger.hear({ synced: 1 });
    assert.equal(ledger.missing(server()).length, 1);
    const there = new Map([['n', { value: 1 }]]);
    assert.deepEqual(ledger.missing(server({ records: [['tasks/a', there]] })), []);
  });
});

describe('a run', () => {
  it('is_the_same_for_the_same_seed_and_holds_every_kind', () => {
    assert.deepEqual(rounds(randomOf(7), 50), rounds(randomOf(7), 50));
    const kinds = new Set(rounds(randomOf(7), 10).map(({ kind }) => kind));
    assert.equal(kinds.size, 7);
  });

  it('that_met_nothing_is_weak', () => {
    const tally = new Tally();
    tally.kill('writing', { underWay: 0, acknowledged: 0 }, undefined);
    assert.equal(tally.weaknesses().length, 8);
  });

  it('fails_when_a_loss_is_told_that_was_none_or_another_one', () => {
    const heard = new Heard(new Ledger());
    heard.expectLost([]);
    heard.hear({ event: 'database-lost', detail: { unsent: 3 } });
    assert.throws(() => heard.check());
    assert.throws(() => heard.expectLost([2]));
    heard.expectLost([3]);
  });
});
