// The app that is killed. It loads the engine only when it is told to open, so that the test can look first.
//
// `tell` is the test's ear: what it was given has left the page, whatever happens to the browser then.

import { stored } from '../../support/page/stored.js';
import { tokenFor } from '../../support/page/token.js';
import { write } from './workload.js';

const name = 'kills';
const marker = `mana:${name}`;
const tell = (what) => globalThis.tell(JSON.stringify(what));

const over = new AbortController();
let engine;
let writing;

globalThis.device = {
  /** What is stored, and the engine's note beside the database. As text: it is large. */
  look: async () => JSON.stringify({ rows: await stored(name), note: JSON.parse(localStorage.getItem(marker)) }),

  async open(server) {
    const { openEngine } = await import('./pkg/index.js');
    engine = await openEngine({
      name,
      schema: { version: 1, stores: { tasks: 'id', notes: 'id', lists: 'id', drafts: 'id' } },
      apps: { kills: { tables: { tasks: {}, notes: {}, lists: {} } } },
      user: { id: 'ada' },
      sync: { url: server, getToken: () => tokenFor(server), fetch: watchedFetch },
      on: Object.fromEntries(events.map((event) => [event, (detail) => tell({ event, detail })])),
    });
    engine.sync.status.subscribe(({ state, pending }) => tell({ state, pending }));
  },

  /** Resolves when this device and the server have the same. */
  async settle() {
    await engine.sync.syncNow();
    const unsent = await engine.sync.unsentCount();
    if (unsent > 0) throw new Error(`${unsent} changes were not sent by syncNow`);
  },

  /** Begins to write. */
  work(options) {
    writing = write(engine, { ...options, signal: over.signal }, tell).catch((error) =>
      tell({ broken: String(error) }),
    );
  },

  /** Ends the writing; resolves when all of it is saved. */
  async rest() {
    over.abort();
    await writing;
  },
};

const events = ['database-lost', 'quarantine', 'dead-letter', 'closed', 'storage-full', 'needs-auth'];

/** Says which request is under way; it is until the status says that the loop rests, for then its answer is stored. */
async function watchedFetch(input, init) {
  const path = new URL(input instanceof Request ? input.url : input).pathname;
  tell({ request: path });
  const answer = await fetch(input, init);
  tell({ answer: path });
  return answer;
}
