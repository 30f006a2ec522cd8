// One tab of a device: it writes and syncs, whatever happens around it.
//
// `tell` is the test's ear: what it was given has left the page, whatever happens to the tab then.
import { stored } from '../../support/page/stored.js';
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';
import { tables, write } from './writes.js';

const name = 'chaos';
/** `at`: a time that all tabs of a browser share, in milliseconds. */
const tell = (what) => globalThis.tell(JSON.stringify({ at: performance.timeOrigin + performance.now(), ...what }));
/** What nothing that goes wrong here may come to. */
const losses = ['dead-letter', 'quarantine', 'database-lost', 'closed', 'storage-full', 'billing-required'];

let engine;
let ended = false;
let writing;

globalThis.tab = {
  /** Opens the database of the device, with the key that all devices of the person have. */
  async open(server, transports) {
    engine = await openEngine({
      name,
      schema: { version: 1, stores: { tasks: 'id', notes: 'id' } },
      apps: { chaos: { tables: Object.fromEntries(tables.map((table) => [table, {}])) } },
      user: { id: 'ada' },
      encryption: { fields: { tasks: ['secret'] }, format: 2 },
      sync: { url: server, getToken: () => tokenFor(server) },
      transports,
      on: Object.fromEntries(losses.map((event) => [event, (detail) => tell({ event, detail })])),
    });
    await engine.vault.unlock({ rawKey: new Uint8Array(32).fill(7) });
  },

  /** Writes until it is told to rest, under a name that no tab had before. */
  work(tab) {
    writing = go(tab).catch((error) => tell({ broken: `${error.code}: ${error.message}` }));
  },

  /** Asks for a round of sync without waiting for it. */
  hurry() {
    engine.sync.syncNow().catch(() => {});
  },

  /** Ends the writing; resolves when all of it is saved. */
  async rest() {
    ended = true;
    await writing;
  },

  /** Syncs; gives what is left to send. */
  async settle() {
    await engine.sync.syncNow();
    const { state, pending } = engine.sync.status.current;
    return { state, pending };
  },

  /** How far it is by itself, without being asked to sync. */
  state() {
    const { state, pending, lastSyncedAt } = engine.sync.status.current;
    return { state, pending, syncedAt: Date.parse(lastSyncedAt) };
  },

  /** What the server says when asked whether it has the same. */
  check: async () => (await engine.sync.check()).state,

  /** Everything that is stored, as it lies in the database. As text: it is large. */
  look: async () => JSON.stringify(await stored(name)),

  /** What an app reads. As text: it is large. */
  read: async () =>
    JSON.stringify(
      Object.fromEntries(await Promise.all(tables.map(async (table) => [table, await engine.table(table).toArray()]))),
    ),
};

async function go(tab) {
  for (let n = 1; !ended; n += 1) {
    tell({ begun: n });
    tell({ saved: n, ...(await write(engine, tab, n, tell)) });
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 100));
  }
}
