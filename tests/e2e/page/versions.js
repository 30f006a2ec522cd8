// A tab with the app in one of two versions: what the test tells it to do, and what it then hears and is answered.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

const code = (error) => error.code ?? `no code: ${error}`;
const answer = (promise) => promise.then((value) => value ?? 'done', code);
const events = [];
const note = (name) => () => events.push(name);
let engine;
let held;
let letGo;
const ended = false;
let writing;

/** A server that takes pushes and never answers, as far as this tab can tell. */
async function silent(input, init) {
  const response = await fetch(input, init);
  if (new URL(input.url ?? input).pathname !== '/v2/push') return response;
  globalThis.pushing = true;
  return new Promise(() => {});
}

/** Marks every note once more; a second time would show. */
async function mark(tx) {
  const notes = tx.table('notes');
  for (const { id, marks = 0 } of await notes.toArray()) await notes.update(id, { marks: marks + 1 });
}

globalThis.device = {
  events: () => events,
  live: () => globalThis.shown,

  /** Opens the database in a version of the app; gives `open`, or the code of why it is not. */
  async open(version, server, isSilent) {
    const opening = openEngine({
      name: 'versions',
      schema: {
        version,
        stores: { notes: version === 1 ? 'id' : 'id, n' },
        upgrades: version === 1 ? {} : { [version]: mark },
      },
      apps: { diary: { tables: { notes: {} } } },
      user: { id: 'ada' },
      sync: server ? { url: server, getToken: () => tokenFor(server), ...(isSilent && { fetch: silent }) } : null,
      on: Object.fromEntries(['blocked', 'versionchange', 'closed'].map((name) => [name, note(name)])),
    });
    return opening.then((opened) => {
      engine = opened;
      return 'open';
    }, code);
  },

  /** Begins to open it, without waiting; `opened` tells the end. */
  begin(...given) {
    globalThis.opening = this.open(...given);
  },
  opened: () => globalThis.opening,

  add: (id) => answer(engine.table('notes').add({ id })),
  read: () => answer(engine.table('notes').count()),
  transact: () => answer(engine.transaction('rw', 'notes', (tx) => tx.table('notes').add({ id: 'late' }))),
  sync: () => answer(engine.sync.syncNow()),
  start: () => answer((async () => engine.sync.start())()),
  close: () => engine.close(),
  beginSync() {
    globalThis.syncing = this.sync();
  },
  synced: () => globalThis.syncing,
  follow() {
    const handle = engine.table('notes').toCollection().live();
    handle.subscribe((rows) => {
      globalThis.shown = { status: handle.status, count: rows?.length };
    });
  },

  /** Writes one note after the other until it is refused; what was answered is in `acknowledged`. */
  write() {
    globalThis.acknowledged = [];
    writing = (async () => {
      for (let n = 0; !ended; n += 1) {
        await engine.table('notes').add({ id: `w${n}` });
        globalThis.acknowledged.push(`w${n}`);
      }
    })().then(() => 'done', code);
  },
  async written() {
    return { end: await writing, acknowledged: globalThis.acknowledged };
  },

  /** Holds a transaction open until `letGo`. */
  hold() {
    const released = { now: false };
    letGo = () => {
      released.now = true;
    };
    held = answer(
      engine.transaction('rw', 'notes', async (tx) => {
        await tx.table('notes').add({ id: 'held' });
        while (!released.now) await tx.table('notes').get('held');
        await tx.table('notes').add({ id: 'held to the end' });
      }),
    );
  },
  letGo() {
    letGo();
    return held;
  },

  /** The ids of all notes, with how often each was upgraded. */
  async notes() {
    const rows = await engine.table('notes').orderBy('id').toArray();
    return Object.fromEntries(rows.map(({ id, marks = 0 }) => [id, marks]));
  },
  unsent: () => engine.sync.unsentCount(),
};
