// A tab with two apps, of which one is pulled only once somebody asks for it.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

let engine;
const shown = [];

/** What this tab asked the server for: only the one that leads does. */
const asked = [];
function watchedFetch(input, init) {
  asked.push(new URL(input.url ?? input).pathname);
  return fetch(input, init);
}

/** What an error says to programs. */
const code = (error) => error.code ?? String(error);

globalThis.device = {
  async open(server, sync) {
    engine = await openEngine({
      name: 'apps',
      schema: { version: 1, stores: { tasks: 'id', pages: 'id' } },
      apps: { todo: { tables: { tasks: {} } }, book: { sync, tables: { pages: {} } } },
      user: { id: 'ada' },
      sync: { url: server, getToken: () => tokenFor(server), fetch: watchedFetch },
    });
    engine.sync.status.subscribe(({ progress }) => shown.push(...progress.filter(({ app }) => app === 'book')));
  },

  /** Adds so many rows to a table, and has the server know of them. */
  async fill(table, count) {
    const rows = Array.from({ length: count }, (_, n) => ({ id: `r${String(n).padStart(5, '0')}`, n }));
    await engine.table(table).bulkAdd(rows).synced;
  },

  sync: () => engine.sync.syncNow(),
  ensure: (app) => engine.sync.ensure(app).then(() => 'here', code),
  count: (table) => engine.table(table).count(),
  shown: () => shown,
  asked: () => asked.length,

  /** How many rows a table has on the disk: the engine does not hear of this. */
  stored: (table) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open('apps');
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const counting = opening.result.transaction(table).objectStore(table).count();
        counting.onsuccess = () => resolve(counting.result);
        counting.onerror = () => reject(counting.error);
        opening.result.close();
      };
    }),
};
