// `$handle` and `handle.current`: the same wherever both are read.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

const changes = 500;
const seed = Number(process.env.SEED ?? 1);

export default (on) =>
  describe('a handle that is read as a store and by its getter', () => {
    it(`is_the_same_in_every_effect_over_${changes}_random_changes_from_seed_${seed}`, () =>
      on('parity', async ({ told, complaints }) => {
        const { compared, apart, unsettled, kinds, lengths } = await told('compare', changes, seed);
        assert.deepEqual(apart.effects, []);
        assert.deepEqual(apart.afterCommits, []);
        assert.deepEqual(unsettled, []);
        // What was compared differed indeed: many runs, of lists of many lengths.
        for (const where of ['effect', 'getter first', 'pre', 'template', 'row']) {
          assert.ok(compared[where] > changes / 4, `${where} was compared ${compared[where]} times`);
        }
        for (const kind of ['commit', 'project', 'filter', 'limit', 'both'])
          assert.ok(kinds[kind] > changes / 20, kind);
        assert.ok(lengths.length > 8, `lengths: ${lengths}`);
        assert.deepEqual(complaints, []);
      }));
  });
