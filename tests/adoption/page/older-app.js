// The older app: a database made, filled and read by Dexie.
import Dexie from './dexie.js';
import { own, synced, tables, version } from './schema.js';
import { shownRow } from './shown.js';

const early = '2025-06-01T10:00:00.000Z';
const late = '2025-06-02T10:00:00.000Z';
const future = '2039-01-01T00:00:00.000Z';
const ada = { kind: 'user', principalId: 'ada' };
const helper = { kind: 'ai', principalId: 'helper', missionId: 'm1' };

export function openOlder(name) {
  const db = new Dexie(name);
  db.version(version).stores({ ...tables, ...own });
  return db;
}

/** A record of the present generation; everything was stamped at once. */
function stamped(id, at, fields) {
  const row = { id, userId: 'ada', spaceId: '_personal:ada', authorId: 'ada', visibility: 'space', ...fields };
  const mark = { at, actor: ada, origin: 'user' };
  const marks = Object.keys(row)
    .filter((field) => field !== 'id')
    .map((field) => [field, mark]);
  return { ...row, __fieldMeta: Object.fromEntries(marks), _updatedAtIndex: at };
}

/** A record of the generation before. */
function older(id, fields) {
  const row = { id, userId: 'ada', spaceId: '_personal:ada', authorId: 'ada', visibility: 'space', ...fields };
  const times = Object.keys(row)
    .filter((field) => field !== 'id')
    .map((field) => [field, early]);
  return {
    ...row,
    updatedAt: late,
    __fieldTimestamps: Object.fromEntries([...times, ['title', late], ['updatedAt', late]]),
    __fieldActors: { title: helper },
    __lastActor: helper,
  };
}

/** A record that was synced, and edited since. */
function edited(fields) {
  const row = stamped('edited', early, fields);
  for (const field of Object.keys(fields)) row.__fieldMeta[field] = { ...row.__fieldMeta[field], at: late };
  return row;
}

const tasks = [
  stamped('orphan', early, { title: 'never queued', tags: ['a', 'b'], order: 1, projectId: 'p' }),
  stamped('made', early, { title: 'made offline', due: new Date('1969-07-20T20:17:40.000Z'), tags: ['b'] }),
  edited({ title: 'new title', address: { city: 'Zug', zip: 6300 } }),
  stamped('gone', early, { title: 'deleted offline', deletedAt: late }),
  stamped('ahead', future, { title: 'from a wrong clock' }),
  stamped('mixed', early, { title: 'travels', when: new Date(0), map: new Map([[1, 2]]), big: 10n }),
  older('before', { title: 'the generation before', note: 'first' }),
  { id: 'bare', title: 'no stamps at all', createdAt: early },
];

const queue = [
  // The shape of the time before actors and spaces.
  {
    appId: 'todo',
    collection: 'tasks',
    recordId: 'edited',
    op: 'update',
    createdAt: late,
    fields: { title: { value: 'new title', updatedAt: late }, updatedAt: { value: late, updatedAt: late } },
  },
  {
    appId: 'todo',
    collection: 'tasks',
    recordId: 'edited',
    op: 'update',
    createdAt: late,
    actor: helper,
    origin: 'agent',
    spaceId: '_personal:ada',
    fields: { 'address.city': { value: 'Zug', at: late } },
  },
  {
    appId: 'todo',
    collection: 'tasks',
    recordId: 'made',
    op: 'insert',
    createdAt: early,
    actor: ada,
    spaceId: '_personal:ada',
    data: {
      id: 'made',
      title: 'made offline',
      due: new Date('1969-07-20T20:17:40.000Z'),
      tags: ['b'],
      userId: 'ada',
      spaceId: '_personal:ada',
      authorId: 'ada',
      visibility: 'space',
    },
  },
  {
    appId: 'todo',
    collection: 'tasks',
    recordId: 'gone',
    op: 'delete',
    createdAt: late,
    deletedAt: late,
    fields: { deletedAt: { value: late, at: late } },
  },
  {
    appId: 'todo',
    collection: 'tasks',
    recordId: 'mixed',
    op: 'update',
    createdAt: late,
    fields: { map: { value: new Map([[1, 2]]), at: early } },
  },
  {
    appId: 'left',
    collection: 'elsewhere',
    recordId: 'x',
    op: 'update',
    createdAt: late,
    fields: { a: { value: 1, at: late } },
  },
];

export async function fill(name, records) {
  const db = openOlder(name);
  await db.table('tasks').bulkAdd(tasks);
  await db.table('tags').bulkAdd([stamped('t1', early, { slug: 'home' }), stamped('t2', early, { slug: 'work' })]);
  await db.table('settings').add(stamped('prefs', early, { dark: true }));
  await db.table('drafts').bulkAdd([
    { taskId: 'made', text: new Map([['a', new Date(0)]]) },
    { taskId: 'made', text: 'x' },
  ]);
  for (const table of synced.filter((name) => name.startsWith('table'))) {
    const rows = Array.from({ length: records }, (_, at) =>
      stamped(`${table}-${at}`, early, { order: at, name: `n${at}` }),
    );
    await db.table(table).bulkAdd(rows);
  }
  await db.table('_pendingChanges').bulkAdd(queue);
  await db.table('_syncMeta').add({ appId: 'todo', collection: 'tasks', lastSyncedAt: early });
  await db.table('_clientIdentity').add({ id: 'self', clientId: 'older-client' });
  const rows = await all(db);
  db.close();
  return rows;
}

/** Every row of every table, by key, as Dexie reads it. */
async function all(db) {
  const found = {};
  for (const name of Object.keys(tables)) {
    found[name] = Object.fromEntries((await db.table(name).toArray()).map((row) => [row.id, shownRow(row)]));
  }
  return found;
}

/** The older app comes back: what it finds, through its indexes, and a write of its own. */
export async function comeBack(name) {
  const db = openOlder(name);
  await db.open();
  const ids = (rows) => rows.map((row) => row.id);
  const found = {
    rows: await all(db),
    tagged: ids(await db.table('tasks').where('tags').equals('a').toArray()),
    city: ids(await db.table('tasks').where('address.city').equals('Zug').toArray()),
    compound: ids(await db.table('tasks').where('[projectId+order]').equals(['p', 1]).toArray()),
    edited: ids(await db.table('tasks').where('updatedAt').equals(late).toArray()),
    unique: await db
      .table('tags')
      .add({ id: 't9', slug: 'home' })
      .catch((error) => error.name),
    map: (await db.table('tasks').get('mixed')).map instanceof Map,
    draft: (await db.table('drafts').toArray())[0].text instanceof Map,
    cursors: await db.table('_syncMeta').count(),
    queued: await db.table('_pendingChanges').count(),
    version: db.backendDB().version,
  };
  await db.table('tasks').put(stamped('again', late, { title: 'written by the older app' }));
  await db.table('_pendingChanges').add({
    appId: 'todo',
    collection: 'tasks',
    recordId: 'again',
    op: 'insert',
    createdAt: late,
    data: {
      id: 'again',
      title: 'written by the older app',
      spaceId: '_personal:ada',
      authorId: 'ada',
      visibility: 'space',
    },
  });
  db.close();
  return found;
}
