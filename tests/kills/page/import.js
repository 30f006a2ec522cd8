// The app that is killed while it takes an archive in, and the one that made the archive. It loads the engine only when it is told to
// open, so that the test can look first.
//
// `tell` is the test's ear: what it was given has left the page, whatever happens to the browser then.
import { stored } from '../../support/page/stored.js';
import { tokenFor } from '../../support/page/token.js';

const name = 'kills';
const tables = ['tasks', 'notes', 'lists'];
const padding = 'a value of some length, so that pages have some rows. '.repeat(20);
const tell = (what) => globalThis.tell(JSON.stringify(what));

let engine;

globalThis.device = {
  /** What is stored. As text: it is large. */
  look: async () => JSON.stringify({ rows: await stored(name) }),

  /** Opens the database of a person with that key; `server`: where it syncs, if it does. */
  async open(user, key, server) {
    const { openEngine } = await import('./pkg/index.js');
    engine = await openEngine({
      name,
      schema: { version: 1, stores: Object.fromEntries(tables.map((table) => [table, 'id'])) },
      apps: { kills: { tables: Object.fromEntries(tables.map((table) => [table, {}])) } },
      user: { id: user },
      encryption: { fields: { tasks: ['title'] }, format: 2 },
      vault: { waitMs: 0 },
      ...(server && { sync: { url: server, getToken: () => tokenFor(server, user) } }),
    });
    await engine.vault.unlock({ rawKey: new Uint8Array(32).fill(key) });
  },

  /** Makes so many rows of each table, and gives an archive of them as base64. */
  async make(rows, options) {
    for (const table of tables) {
      const all = Array.from({ length: rows[table] }, (_, n) => n);
      if ((await engine.table(table).count()) > 0) continue;
      await engine.table(table).bulkAdd(all.map((n) => row(table, n)));
    }
    const { blob } = await engine.archive.export(options);
    const reader = new FileReader();
    reader.readAsDataURL(blob);
    await new Promise((resolve) => reader.addEventListener('load', resolve, { once: true }));
    return reader.result.split(',')[1];
  },

  /** Takes the archive in that lies at an address; tells of each page that is taken. Gives what became of it. */
  async take(address, options) {
    const file = await (await fetch(address)).blob();
    tell({ begun: address });
    return engine.archive.import(file, {
      ...options,
      onProgress: ({ phase, table, done }) => phase === 'rows' && tell({ table, done }),
    });
  },

  /** All rows as the app reads them. As text: it is large. */
  async rows() {
    const read = await Promise.all(tables.map(async (table) => [table, await engine.table(table).toArray()]));
    return JSON.stringify(Object.fromEntries(read));
  },

  /** Resolves when this device and the server have the same. */
  async settle() {
    await engine.sync.syncNow();
    const unsent = await engine.sync.unsentCount();
    if (unsent > 0) throw new Error(`${unsent} changes were not sent by syncNow`);
  },
};

function row(table, n) {
  return { id: `${table}${String(n).padStart(6, '0')}`, title: `SECRET ${table} ${n}`, n, text: padding };
}
