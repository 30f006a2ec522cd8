// The checks themselves: each kind of loss is found, and what is whole passes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allFaults } from '../../support/faulty-proxy.mjs';
import { randomOf } from '../../support/page/random.js';
import { Book } from '../support/book.mjs';
import { faultsOf, happenings } from '../support/chaos.mjs';
import { Tally } from '../support/tally.mjs';

/** A book of writes, each of which began and was saved after the one before. */
function bookOf(...writes) {
  const book = new Book();
  for (const [at, { tab, n, deleting, unsaved, ...what }] of writes.entries()) {
    book.hear(tab, { at: 2 * at, begun: n });
    if (deleting) book.hear(tab, { at: 2 * at, deleting });
    if (!unsaved) book.hear(tab, { at: 2 * at + 1, saved: n, ...what });
  }
  return book;
}

const row = (id) => ({ id, secret: `the secret of ${id}` });
const added = { tab: 'a0-0', n: 1, added: 'a0-0-1' };

describe('what is missing on a device', () => {
  it('is_nothing_where_all_is_there', () => {
    assert.deepEqual(bookOf(added).missingIn({ tasks: [row('a0-0-1'), { id: 'board', 'a0-0': 1 }] }), []);
    // A tab that died was not heard of to the end.
    const more = { tasks: [row('a0-0-1'), row('a0-0-2'), { id: 'board', 'a0-0': 2 }] };
    assert.deepEqual(bookOf(added).missingIn(more), []);
  });

  it('is_a_record_a_count_or_a_secret_that_was_saved', () => {
    assert.equal(bookOf(added).missingIn({ tasks: [{ id: 'board', 'a0-0': 1 }] }).length, 1);
    assert.equal(bookOf(added).missingIn({ tasks: [row('a0-0-1'), { id: 'board', 'a0-0': 0 }] }).length, 1);
    const sealed = {
      tasks: [
        { id: 'a0-0-1', secret: null },
        { id: 'board', 'a0-0': 1 },
      ],
    };
    assert.equal(bookOf(added).missingIn(sealed).length, 1);
  });

  it('is_a_deletion_that_was_saved_and_not_one_that_may_have_been', () => {
    const deleted = bookOf(added, { tab: 'a0-0', n: 2, deleting: 'a0-0-1', deleted: 'a0-0-1' });
    const unheard = bookOf(added, { tab: 'a0-0', n: 2, deleting: 'a0-0-1', unsaved: true });
    const [there, gone] = [
      { tasks: [row('a0-0-1'), { id: 'board', 'a0-0': 1 }] },
      { tasks: [{ id: 'board', 'a0-0': 1 }] },
    ];
    assert.equal(deleted.missingIn(there).length, 1);
    for (const [book, read] of [
      [deleted, gone],
      [unheard, there],
      [unheard, gone],
    ]) {
      assert.deepEqual(book.missingIn(read), []);
    }
  });
});

describe('what was never sent', () => {
  const contested = (tab, n) => ({ tab, n, contested: 'tasks/shared1', value: `${tab}:${n}` });
  const server = (...values) => new Map([['tasks/shared1', new Set(values)]]);

  it('is_a_value_that_nothing_of_its_device_took_the_place_of', () => {
    assert.deepEqual(bookOf(contested('a0-0', 1)).neverSent(server('a0-0:1')), []);
    assert.equal(bookOf(contested('a0-0', 1)).neverSent(server()).length, 1);
    const later = bookOf(contested('a0-0', 1), contested('a1-1', 1));
    assert.deepEqual(later.neverSent(server('a1-1:1')), [], 'the other tab wrote over it before it was sent');
    assert.equal(later.neverSent(server('a0-0:1')).length, 1, 'an earlier value is none in its place');
    assert.equal(bookOf(contested('a0-0', 1), contested('b0-0', 1)).neverSent(server('b0-0:1')).length, 1);
  });
});

describe('what was not inserted once', () => {
  it('is_what_the_server_has_twice_or_not_at_all', () => {
    assert.deepEqual(bookOf(added).notOnce(['tasks/a0-0-1']), []);
    assert.equal(bookOf(added).notOnce(['tasks/a0-0-1', 'tasks/a0-0-1']).length, 1);
    assert.equal(bookOf(added).notOnce([]).length, 1);
    const deleted = bookOf(added, { tab: 'a0-0', n: 2, deleting: 'a0-0-1', deleted: 'a0-0-1' });
    assert.deepEqual(deleted.notOnce([]), [], 'it was deleted before it was sent');
  });
});

describe('a run', () => {
  it('meets_every_fault_equally_often', () => {
    const next = faultsOf(randomOf(7));
    const met = new Set();
    for (let request = 0; request < allFaults.length * 6; request += 1) met.add(next());
    assert.deepEqual([...met].filter(Boolean).sort(), allFaults.toSorted());
  });

  it('that_met_nothing_is_weak', () => {
    const kinds = Object.keys(happenings).length + allFaults.length;
    assert.equal(new Tally().weaknesses({ saved: 0, sent: 0 }).length, kinds + 2);
  });
});
