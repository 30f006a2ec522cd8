// What a list shows between the change of a parameter and the next answer.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

export default (on) =>
  describe('a list whose parameters change', () => {
    it('never_empties_and_says_that_it_is_stale', () =>
      on('stale', async ({ told, complaints }) => {
        await told('open');
        for (const parameters of [{ project: 'p2' }, { limit: 20 }, { project: 'p1', limit: 15 }]) {
          const { notes } = await told('change', parameters);
          const lengths = notes.map(({ rows }) => rows?.length ?? 0);
          assert.ok(Math.min(...lengths) >= 10, `lengths: ${lengths}`);
          assert.ok(notes[0].isStale && notes[0].status === 'loading', 'the rows of the former query were not shown');
          const last = notes.at(-1);
          assert.deepEqual([last.isStale, last.status], [false, 'ready']);
          assert.ok(last.rows.every(({ id }) => id.startsWith(`s1 ${last.project}`)));
          // Not stale: its own rows. Whatever is shown belongs to a query, not to two.
          for (const { rows, isStale, project } of notes) {
            assert.equal(new Set(rows.map(({ id }) => id.split(' ')[1])).size, 1);
            if (!isStale) assert.ok(rows.every(({ id }) => id.split(' ')[1] === project));
          }
        }
        assert.deepEqual(complaints, []);
      }));

    for (const [also, isForeign] of [
      ['space', ({ id }) => !id.startsWith('s2')],
      ['user', () => true],
    ]) {
      it(`shows_no_row_of_the_${also}_before_once_there_is_another`, () =>
        on('stale', async ({ told, complaints }) => {
          await told('open');
          const { notes, after } = await told('change', { project: 'p2' }, also);
          assert.ok(notes[0].isStale && notes[0].rows.length === 10, 'no former rows were shown');
          for (const { rows } of notes.slice(after)) assert.deepEqual((rows ?? []).filter(isForeign), []);
          assert.equal(notes.at(-1).rows.length, also === 'space' ? 10 : 0);
          assert.deepEqual(complaints, []);
        }));
    }

    it('shows_nothing_opened_after_a_lock_in_place_of_what_is_locked', () =>
      on('stale', async ({ told, complaints }) => {
        await told('open');
        const { notes } = await told('change', { project: 'p2', isHeld: true }, 'lock');
        assert.ok(notes[0].isStale && notes[0].rows[0].title === 'opened', 'no former rows were shown');
        const { status, rows } = notes.at(-1);
        assert.deepEqual([status, rows.length, rows[0].title], ['locked', 10, 'sealed']);
        // The former query is read anew: from then on nothing of it is shown, not even sealed.
        const dropped = notes.findIndex((note) => note.rows?.[0].title !== 'opened');
        assert.equal(notes[dropped].rows, null);
        assertSealed(notes.slice(dropped));
        for (const { isStale } of notes.slice(dropped)) assert.equal(isStale, false);
        // While it stays locked, a list stays full, of what cannot be read.
        const next = await told('change', { limit: 15 });
        assert.ok(next.notes[0].isStale && next.notes[0].rows.length === 10);
        assertSealed(next.notes);
        await told('unlock');
        const last = await told('change', { project: 'p1' });
        assert.equal(last.notes.at(-1).rows[0].title, 'opened');
        assert.deepEqual(complaints, []);
      }));
  });

function assertSealed(notes) {
  for (const { rows } of notes) assert.ok((rows ?? []).every(({ title }) => title === 'sealed'));
}
