// The examples of docs/svelte.md do what the page says.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

export default (on) =>
  describe('the examples of the documentation', () => {
    it('list_follow_and_write', () =>
      on('docs', async ({ told, page, complaints }) => {
        const names = 'Counts Edit Form Former.four Former List NewTask Project ProjectCounts States Status'.split(' ');
        assert.deepEqual((await told('names')).sort(), names.map((name) => `${name}.svelte`).sort());

        await told('show', 'List.svelte');
        await told('reads', 'Bake Dust Eat');
        await told('put', { id: 'e', title: 'Clean', done: false, projectId: 'p2' });
        await told('reads', 'Bake Clean Dust Eat');

        await told('show', 'Project.svelte', { project: 'p1' });
        await told('reads', 'Bake Cook Show more');
        await page.getByRole('button').click();
        await told('reads', 'Bake Cook Dust Show more');
        await told('give', { project: 'p2' });
        await told('reads', 'Eat Clean Show more');

        await told('show', 'Edit.svelte', { id: 'a' });
        for (const [id, before, then] of [
          ['a', 'Bake', 'Boil'],
          ['e', 'Clean', 'Count'],
        ]) {
          await told('give', { id });
          await page.waitForFunction((title) => document.querySelector('input')?.value === title, before);
          await page.getByLabel('Title').fill(then);
          await page.getByRole('button').click();
        }
        await told('show', 'List.svelte');
        await told('reads', 'Boil Count Dust Eat');
        for (const [id, title] of [
          ['a', 'Bake'],
          ['e', 'Clean'],
        ])
          await told('put', { id, title, done: false, projectId: id === 'a' ? 'p1' : 'p2' });

        await told('show', 'Counts.svelte');
        await told('reads', '3 of 5');
        await told('show', 'ProjectCounts.svelte', { project: 'p1' });
        await told('reads', '3 of 5');
        await told('give', { project: 'p2' });
        await told('reads', '2 of 5');
        await told('put', { id: 'f', title: 'Fry', done: true, projectId: 'p2' });
        await told('reads', '3 of 6');
        await told('remove', 'f');
        await told('reads', '2 of 5');
        await told('show', 'Status.svelte');
        await told('reads', 'synced, 0 to send, locked');

        for (const name of ['Former.svelte', 'Former.four.svelte']) {
          await told('show', name, { project: 'p1' });
          await told('reads', 'Bake, Cook, Dust, synced');
          // What is no key: the first answer is a failure.
          await told('show', name, { project: true });
          await told('reads', 'invalid_argument');
        }

        await told('show', 'NewTask.svelte');
        await page.getByLabel('Title').fill('Feast');
        await page.getByRole('button').click();
        await page.getByText('The server has it').waitFor();
        await told('show', 'States.svelte');
        await page.getByText('Feast').waitFor();
        for (const row of ['a', 'b', 'c', 'd', 'e']) await told('remove', row);
        await told('reads', 'Feast');
        assert.deepEqual(complaints, []);
      }));
  });
