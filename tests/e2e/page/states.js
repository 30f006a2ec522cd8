// An app that syncs, and what its engine says of that.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

const names = ['needs-auth', 'billing-required', 'storage-full', 'update-required'];
const events = [];
let engine;
let status;
let isSignedIn = true;

globalThis.device = {
  async open(server) {
    engine = await openEngine({
      name: 'states',
      schema: { version: 1, stores: { notes: 'id' } },
      apps: { diary: { tables: { notes: {} } } },
      user: { id: 'ada' },
      sync: { url: server, getToken: async () => (isSignedIn ? tokenFor(server) : null) },
    });
    for (const name of names) engine.on(name, (detail) => events.push([name, detail ?? null]));
    engine.sync.status.subscribe((now) => {
      status = now;
    });
  },

  /** Whether the app has a token to give. */
  setSignedIn(isIt) {
    isSignedIn = isIt;
  },

  add: async (id) => void (await engine.table('notes').add({ id })),
  ids: () => engine.table('notes').toCollection().primaryKeys(),
  sync: () =>
    engine.sync.syncNow().then(
      () => 'done',
      ({ code }) => code,
    ),
  start: () => engine.sync.start(),
  status: () => ({ state: status.state, pending: status.pending, code: status.error?.code ?? null }),
  events: () => events,
};
