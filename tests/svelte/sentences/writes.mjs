// What components write.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

const changed = ['changed', { deep: [2] }];
const more = (id) => ({ id, title: id, tags: id === 'two' ? ['b'] : [], place: id === 'two' ? 2 : 3 });
const expected = {
  answers: {
    add: 'one',
    addDraft: 1,
    put: 'two',
    bulkPut: 'three',
    bulkAdd: 'three again',
    update: 1,
    updateByFunction: 1,
    upsert: true,
    modify: 1,
    modifyByFunction: 2,
    replace: 1,
    anyOf: ['two', 'three'],
    equals: ['three'],
    fields: ['three'],
    between: ['two', 'three'],
    get: 'three',
    bulkGet: ['two', 'three'],
  },
  rows: [
    { id: 'one', title: 'one', tags: ['a', { deep: [1] }], when: '1970-01-01T00:00:00.000Z', place: 1 },
    { id: 'two', title: 'two', tags: changed, list: changed, place: 2 },
    { id: 'three', title: 'three', tags: changed, place: 3 },
    { id: 'four', tags: changed, place: 4 },
    { ...more('three'), id: 'three again', place: 9 },
    { ...more('two'), id: 'two again', place: 9 },
  ],
};

/** A row without the fields that it does not have. */
const withoutNothing = (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));

export default (on, server) =>
  describe('a component that writes', () => {
    it('may_hand_over_state_as_it_is', () =>
      on('writes', async ({ told, complaints }) => {
        const { answers, rows, draft } = await told('handOver');
        assert.deepEqual(answers, expected.answers);
        assert.deepEqual(rows.map(withoutNothing), expected.rows);
        assert.deepEqual(draft.more, [more('two'), more('three')]);
        assert.deepEqual(draft.row.tags, ['a', { deep: [1] }]);
        // A clone that fails says so nowhere but here.
        assert.deepEqual(complaints, []);
      }));

    it('sees_a_write_pending_saved_and_synced', () =>
      on('writes', async ({ told, page, context, complaints }) => {
        await told('openForm', server());
        await context.setOffline(true);
        await page.getByLabel('Title').fill('Buy milk');
        await page.getByRole('button').click();
        await page.getByText('saved').waitFor();
        assert.deepEqual(await told('said'), ['pending', 'saved']);
        await context.setOffline(false);
        await page.getByText('synced').waitFor();
        assert.deepEqual(await told('said'), ['pending', 'saved', 'synced']);
        // What the browser itself says of the time without a network is no complaint of the page's.
        assert.deepEqual(
          complaints.filter((text) => !/ERR_INTERNET_DISCONNECTED/.test(text)),
          [],
        );
      }));

    it('sees_that_the_server_refused_a_write', () =>
      on('writes', async ({ told, page, complaints }) => {
        await told('openForm', server(), { id: 'of-others', type: 'family', role: 'member' });
        await page.getByLabel('Title').fill('Buy milk');
        await page.getByRole('button').click();
        await page.getByText('refused').waitFor();
        assert.deepEqual(await told('said'), ['pending', 'saved', 'refused: rejected']);
        assert.deepEqual(complaints, []);
      }));
  });
