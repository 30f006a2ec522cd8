// Of a long list only what changed is rendered.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

const rows = 1_000;

/** What is done to the list, what is rendered and whose elements change, how many rows there are then. */
const steps = [
  ['update', ['t500'], ['t500'], rows],
  ['nothing', [], [], rows],
  ['insert', ['new'], ['new'], rows + 1],
  ['move', ['t500'], ['t500'], rows + 1],
  ['delete', [], ['t500'], rows],
  ['restore', ['t500'], ['t500'], rows + 1],
];

const filtered = [
  ['hide', [], ['t500'], rows],
  ['updateUnseen', [], [], rows],
  ['show', ['t500'], ['t500'], rows + 1],
];

export default (on) =>
  describe('a list of a thousand rows', () => {
    it('renders_the_one_that_is_updated_inserted_moved_deleted_or_filtered', () =>
      on('rows', async ({ told, complaints }) => {
        await told('open', false);
        for (const [work, ...expected] of [...steps, ...filtered]) await does(told, work, expected);
        assert.deepEqual(complaints, []);
      }));

    it('renders_the_one_that_changes_where_rows_are_sealed', () =>
      on('rows', async ({ told, complaints }) => {
        await told('open', true);
        for (const [work, ...expected] of steps) await does(told, work, expected);
        // Everything looks different now, and none of it is made anew.
        const locked = await told('after', 'lock', 'locked');
        assert.equal(locked.rendered.length, rows + 1);
        assert.equal(locked.changed.length, rows + 1);
        const again = await told('after', 'unlock');
        assert.equal(again.rendered.length, rows + 1);
        assert.deepEqual(complaints, []);
      }));

    it('renders_none_of_those_that_a_limit_leaves', () =>
      on('rows', async ({ told, complaints }) => {
        await told('open', false);
        const { rendered, changed, count } = await told('after', 'limit');
        assert.deepEqual([rendered, changed.length, count], [[], 100, 900]);
        await does(told, 'update', [['t500'], ['t500'], 900]);
        // The last one makes room.
        await does(told, 'insert', [['new'], ['new', 't899'], 900]);
        assert.deepEqual(complaints, []);
      }));
  });

async function does(told, work, [rendered, changed, count]) {
  assert.deepEqual(await told('after', work), { rendered, changed, count, inOrder: true }, work);
}
