// What is left of components that came and went.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

const mounts = 1_000;
/** Bytes of heap that may be left of all of them; one handle kept of each would be fifty times as many. */
const allowance = 64 * 1024;
/** So many nodes or listeners, and no more, may be left of all of them. */
const few = 20;

export default (on) =>
  describe('components that come and go', () => {
    it('share_their_subscriptions_and_leave_none', () =>
      on('mounts', async ({ told, complaints }) => {
        await told('open');
        const { raw, statusReaders, runs, shown } = await told('together', 100);
        assert.equal(raw, 20);
        assert.equal(statusReaders, 200);
        assert.ok(runs >= 1, 'the function never ran');
        assert.equal(shown, 0);
        await told('left');
        assert.deepEqual({ ...(await told('followed')), runs: 0 }, { raw: 0, statusReaders: 0, runs: 0 });
        assert.equal(await told('commit'), 0);
        assert.deepEqual(complaints, []);
      }));

    it(`leave_the_heap_as_it_was_however_often_${mounts}_of_them_come`, () =>
      on('mounts', async ({ told, page, context, complaints }) => {
        const devtools = await context.newCDPSession(page);
        const measured = async () => {
          await told('left');
          for (let time = 0; time < 3; time += 1) await devtools.send('HeapProfiler.collectGarbage');
          const { usedSize } = await devtools.send('Runtime.getHeapUsage');
          const { nodes, jsEventListeners } = await devtools.send('Memory.getDOMCounters');
          return { usedSize, nodes, jsEventListeners, ...(await told('followed')), runs: 0 };
        };
        await told('open');
        assert.equal(await told('oneByOne', mounts), 20);
        const first = await measured();
        assert.equal(await told('oneByOne', mounts), 20);
        const second = await measured();
        const grown = second.usedSize - first.usedSize;
        console.log(`heap after ${mounts}: ${first.usedSize} bytes, after ${2 * mounts}: ${grown} more`);
        assert.ok(grown < allowance, `${grown} bytes more`);
        // A node or a listener may come or go with what the page itself does in that moment.
        assert.ok(second.nodes - first.nodes < few, `${first.nodes} nodes, then ${second.nodes}`);
        assert.ok(second.jsEventListeners - first.jsEventListeners < few, `${second.jsEventListeners} listeners`);
        assert.deepEqual([first.raw, first.statusReaders, second.raw, second.statusReaders], [0, 0, 0, 0]);
        assert.deepEqual(complaints, []);
      }));
  });
