// What the page can be told to do: be the older app, or the app that has moved to the engine.
import { tokenFor } from '../../support/page/token.js';
import { comeBack, fill } from './older-app.js';
import { openEngine } from './pkg/index.js';
import { apps, declared, tables, version } from './schema.js';
import { layout, shownRow } from './shown.js';

const name = 'mana';

/** How often this page asked a server for everything from the beginning. */
let wholePulls = 0;

async function watchedFetch(input, init) {
  if (new URL(input.url ?? input).pathname === '/v2/pull') {
    const sent = new Response(init.body).body;
    const isPacked = new Headers(init.headers).get('Content-Encoding') === 'gzip';
    const { cursor } = await new Response(isPacked ? sent.pipeThrough(new DecompressionStream('gzip')) : sent).json();
    if (!cursor) wholePulls += 1;
  }
  return fetch(input, init);
}

async function open(server) {
  const events = [];
  const note = (kind) => (detail) => events.push({ kind, ...detail });
  const engine = await openEngine({
    name,
    schema: { version, stores: declared },
    apps,
    user: { id: 'ada' },
    sync: server ? { url: server, getToken: () => tokenFor(server), fetch: watchedFetch } : null,
    on: {
      adoption: note('adoption'),
      upgrade: note('upgrade'),
      quarantine: note('quarantine'),
      'dead-letter': note('dead-letter'),
    },
  });
  return { engine, events };
}

/** All rows of the engine's own store of a kind, and the log, as they lie in the database. */
function raw(kind) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const db = request.result;
      const all = db.transaction('_engine').objectStore('_engine').getAll();
      all.onsuccess = () => {
        db.close();
        resolve(all.result.filter((row) => row.kind === kind));
      };
    };
  });
}

globalThis.page = {
  fill: (records) => fill(name, records),
  layout: () => layout(name),
  comeBack: () => comeBack(name),

  /** Opens the engine on the older app's database, syncs until nothing is left, and tells what there is then. */
  async adopt(server) {
    const { engine, events } = await open(server);
    const pulling = events.length;
    do await engine.sync.syncNow();
    while (engine.sync.status.current.pending > 0);
    const tasks = await engine.table('tasks').toArray();
    const rows = {};
    for (const table of Object.keys(tables)) {
      const found = await engine.table(table).acrossSpaces().includeDeleted().toArray();
      rows[table] = Object.fromEntries(found.map((row) => [row.id, shownRow(row)]));
    }
    const due = (await engine.table('tasks').get('made')).due;
    const drafts = await engine.table('drafts').count();
    const install = (await raw('install'))[0].id;
    const letters = (await raw('letter')).map((letter) => letter.code).sort();
    const quarantined = (await raw('quarantine')).map((row) => row.reason);
    engine.close();
    return {
      events,
      pulling,
      rows,
      wholePulls,
      titles: tasks.map((row) => row.title).sort(),
      due: due?.toISOString?.() ?? String(due),
      drafts,
      install,
      letters,
      quarantined,
    };
  },

  /** Opens a database of its own in versions 1 to 3, whose upgrade to 3 fails first. */
  async upgrade() {
    const stores = { notes: 'id, title' };
    const steps = [];
    const at = async (version, upgrades) => {
      const engine = await openEngine({
        name: 'upgraded',
        schema: { version, stores, upgrades },
        apps: { todo: { tables: { notes: {} } } },
        user: { id: 'ada' },
        on: { upgrade: (detail) => steps.push(detail) },
      });
      const rows = await engine.table('notes').toArray();
      const log = (await engine.inspector.log()).map((row) => row.origin);
      engine.close();
      return { titles: rows.map((row) => row.title), log };
    };
    const first = await openEngine({
      name: 'upgraded',
      schema: { version: 1, stores },
      apps: { todo: { tables: { notes: {} } } },
      user: { id: 'ada' },
    });
    await first.table('notes').bulkAdd([
      { id: 'a', title: 'a' },
      { id: 'b', title: 'b' },
    ]);
    first.close();
    let runs = 0;
    const two = async (tx) => {
      runs += 1;
      const notes = tx.table('notes');
      for (const note of await notes.toArray()) await notes.update(note.id, { title: `${note.title}2` });
    };
    const broken = async (tx) => {
      await tx.table('notes').update('a', { title: 'half done' });
      throw new Error('the upgrade has a defect');
    };
    const awaitsFirst = async (tx) => {
      await fetch('/page.js');
      await tx.table('notes').update('a', { title: 'too late' });
    };
    const throwsFirst = async () => {
      await fetch('/page.js');
      throw new Error('the upgrade has another defect');
    };
    const codes = [];
    for (const upgrade of [awaitsFirst, throwsFirst]) {
      codes.push(await at(2, { 2: upgrade }).catch(({ code }) => code));
    }
    steps.length = 0;
    const failed = await at(3, { 2: two, 3: broken }).catch(({ code, details }) => ({
      code,
      version: details.version,
    }));
    const between = await at(2, {});
    // Three tabs at once: one of them upgrades.
    const three = async (tx) => {
      runs += 1;
      await tx.table('notes').put({ id: 'c', title: 'c' });
    };
    const opened = await Promise.all([1, 2, 3].map(() => at(3, { 2: two, 3: three })));
    const fresh = await openEngine({ name: 'fresh', schema: { version: 3, stores, upgrades: { 2: two } } });
    fresh.close();
    return { codes, failed, between, opened, runs, steps };
  },

  /** Fills a database in version 1, whose rows upgrades then count up. */
  async fillForUpgrade(rows) {
    const engine = await openEngine(counted(1));
    await engine.table('notes').bulkAdd(Array.from({ length: rows }, (_, at) => ({ id: `n${at}`, count: 0 })));
    engine.close();
  },

  /** Opens it in version 3; how many rows were upgraded is in `window.upgraded` meanwhile. */
  async upgradeCounted() {
    const engine = await openEngine(counted(3));
    const counts = (await engine.table('notes').toArray()).map(({ count }) => count);
    const log = await engine.inspector.log();
    engine.close();
    const edits = log.filter(({ origin }) => origin === 'migration').flatMap(({ changes }) => changes);
    const { upgraded } = globalThis;
    return { counts, upgraded, edits: edits.map(({ id, fields }) => `${id} ${fields.count.value}`) };
  },
};

function counted(version) {
  globalThis.upgraded = 0;
  const countUp = async (tx) => {
    const notes = tx.table('notes');
    for (const { id, count } of await notes.toArray()) {
      await notes.update(id, { count: count + 1 });
      globalThis.upgraded += 1;
    }
  };
  return {
    name: 'counted',
    schema: { version, stores: { notes: 'id' }, upgrades: version === 3 ? { 2: countUp, 3: countUp } : {} },
    apps: { todo: { tables: { notes: {} } } },
    user: { id: 'ada' },
  };
}
