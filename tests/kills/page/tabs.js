// One of several tabs on one database: it writes records of its own and a field of its own in a shared one.
//
// `tell` is the test's ear: what it was given has left the page, whatever happens to the tab then.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

const tell = (what) => globalThis.tell(JSON.stringify(what));
let engine;
let ended = false;
let writing;

globalThis.tab = {
  async open(server) {
    engine = await openEngine({
      name: 'tabs',
      schema: { version: 1, stores: { tasks: 'id' } },
      apps: { kills: { tables: { tasks: {} } } },
      user: { id: 'ada' },
      sync: { url: server, getToken: () => token(server), fetch: watchedFetch },
    });
  },

  /** Writes until it is told to rest; `first` is the number of the first write. */
  work(tab, shared, first) {
    ended = false;
    writing = write(tab, shared, first).catch((error) => tell({ broken: `${error.code}: ${error.message}` }));
  },

  /** Ends the writing; resolves when all of it is saved. */
  async rest() {
    ended = true;
    await writing;
  },

  /** Adds one record. */
  add: (id) => engine.table('tasks').add({ id }),

  /** From now on no timer of 0.1 to 2 s runs out, so that nothing is done because of a short wait. */
  holdTimers() {
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (run, ms, ...given) => (ms >= 100 && ms <= 2000 ? 0 : setTimeout(run, ms, ...given));
  },

  /** Resolves when this browser and the server have the same. */
  async settle() {
    await engine.sync.syncNow();
    return engine.sync.unsentCount();
  },

  /** The ids of all records that begin so. */
  look: (begin) => engine.table('tasks').where('id').startsWith(begin).primaryKeys(),
};

function token(server) {
  tell({ asked: true });
  return tokenFor(server);
}

async function write(tab, shared, first) {
  for (let n = first; !ended; n += 1) {
    tell({ begun: n });
    await engine.transaction('rw', ['tasks'], async (tx) => {
      await tx.table('tasks').add({ id: `${shared}-${tab}-${n}`, n });
      await tx.table('tasks').upsert(shared, { [tab]: n });
    });
    tell({ saved: n });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
  }
}

/** The time that all tabs of a browser share, in milliseconds. */
const now = () => performance.timeOrigin + performance.now();
let pushes = 0;

/** Says when each push begins and when its answer is there. */
async function watchedFetch(input, init) {
  const isPush = new URL(input instanceof Request ? input.url : input).pathname === '/v2/push';
  if (!isPush) return fetch(input, init);
  pushes += 1;
  const push = pushes;
  tell({ push, begins: now() });
  try {
    return await fetch(input, init);
  } finally {
    tell({ push, ends: now() });
  }
}
