// What exports cost the page that asks for them: how long its thread is held, and memory.
import { memoryBytes } from './watch-memory.js';

const { openEngine } = await import('/engines/engine/index.js');
let engine;
let inWorker = 0;
new BroadcastChannel('memory').onmessage = ({ data }) => {
  inWorker = Math.max(inWorker, data);
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The longest time (ms) between two turns of the thread while something goes on. Messages that a page sends itself come in each of
 * them, so tasks of less than 50 ms show, too, which `PerformanceObserver` keeps to itself, and so does what is no task.
 */
async function longestTurn(work) {
  const { port1, port2 } = new MessageChannel();
  let [last, longest, isOver] = [performance.now(), 0, false];
  port1.onmessage = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) port2.postMessage(0);
  };
  port2.postMessage(0);
  const begun = performance.now();
  await work();
  const took = performance.now() - begun;
  isOver = true;
  return { longest, took };
}

/** Random text, of which packing leaves three quarters. */
function randomText(bytes) {
  return crypto.getRandomValues(new Uint8Array((bytes / 4) * 3)).toBase64();
}

globalThis.archives = {
  async open() {
    engine = await openEngine({
      name: 'archives',
      schema: { version: 1, stores: { large: 'id', small: 'id' } },
      apps: { large: { tables: { large: {} } }, small: { tables: { small: {} } } },
      user: { id: 'u1' },
    });
  },

  /** Adds rows `from` to `to` to a table: some with 4 KB of text, or many with little. */
  async fill(table, from, to) {
    const more =
      table === 'large' ? () => ({ text: randomText(4000) }) : () => ({ title: 'milk and bread', done: false });
    const row = (_, at) => ({ id: String(from + at).padStart(8, '0'), ...more() });
    await engine.table(table).bulkAdd(Array.from({ length: to - from }, row));
  },

  /** Exports a table sealed while the thread is watched, and watches the idle thread as long. */
  async seal() {
    let blob;
    const busy = await longestTurn(async () => {
      ({ blob } = await engine.archive.export({ appIds: ['large'], passphrase: 'words' }));
    });
    await pause(2000);
    const idle = await longestTurn(() => pause(busy.took));
    return { bytes: blob.size, took: busy.took, longest: busy.longest, idle: idle.longest };
  },

  /** Exports the other table as it is; gives the memory of all modules together. */
  async plain() {
    const before = memoryBytes();
    inWorker = 0;
    const begun = performance.now();
    const { blob, rowCounts } = await engine.archive.export({ appIds: ['small'] });
    const took = performance.now() - begun;
    await pause(100);
    return { rows: rowCounts.small, took, bytes: blob.size, before, engine: memoryBytes(), worker: inWorker };
  },
};
