// The store contract alone, as components of Svelte 4 use it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

export default (on) =>
  describe('a component that knows stores only', () => {
    for (const [kind, name] of [
      ['legacy', 'in_the_legacy_mode_of_svelte_5'],
      ['former', 'of_svelte_4'],
    ]) {
      it(`shows_follows_and_lets_go_${name}`, () =>
        on('legacy', async ({ told, page, complaints }) => {
          await told('open', kind);
          assert.deepEqual(await told('versions'), ['4', '5']);
          await told('says', 'one of 2 and 2, local, locked');
          await page.getByRole('button').click();
          await told('says', 'one,added of 3 and 3, local, locked');
          await told('turnTo', 'p2');
          await told('says', 'two of 3 and 3, local, locked');
          const { notes, later, begun } = await told('leave');
          assert.ok(begun >= 3, `${begun} subscriptions`);
          assert.equal(later, 0);
          assert.deepEqual(
            notes.filter(({ same }) => same === false),
            [],
          );
          assert.equal(notes.at(-1), 'destroyed');
          assert.deepEqual(complaints, []);
        }));
    }
  });
