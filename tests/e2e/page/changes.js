// A tab that syncs a list of notes and keeps what `change` events tell it.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

let engine;
const heard = [];

/** What this tab asked the server for: only the one that leads does. */
const asked = [];
function watchedFetch(input, init) {
  asked.push(new URL(input.url ?? input).pathname);
  return fetch(input, init);
}

globalThis.heard = heard;
globalThis.device = {
  async open(server, transports) {
    engine = await openEngine({
      name: 'changes',
      schema: { version: 1, stores: { notes: 'id', tags: 'id' } },
      apps: { diary: { tables: { notes: {}, tags: {} } } },
      user: { id: 'ada' },
      sync: { url: server, getToken: () => tokenFor(server), fetch: watchedFetch },
      ...(transports && { transports }),
      on: { change: (changes) => heard.push(...changes) },
    });
  },

  /** Calls a method of a table, and has the server know of it. */
  async write(table, call, ...given) {
    await engine.table(table)[call](...given).synced;
  },

  /** Several rows of several tables in one transaction. */
  async together() {
    await engine.transaction('rw', ['notes', 'tags'], async (tx) => {
      await tx.table('notes').update('a', { title: 'A3' });
      await tx.table('notes').update('b', { done: true });
      await tx.table('tags').add({ id: 't', name: 'home' });
    }).synced;
  },

  sync: () => engine.sync.syncNow(),
  read: (table, id) => engine.table(table).get(id),
  asked: () => asked,
  clear: () => heard.splice(0),
};
