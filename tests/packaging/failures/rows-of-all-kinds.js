// Rows that are no records, fields with dots in their names, rows put in place of others, and dates of any spelling.
import { codeOf, fresh, report, stored, until } from './common.js';

const stores = { tasks: 'id, dueDate', notes: 'id', drafts: '++id', beside: '', tagged: 'id, *tags, rank' };
const engine = await fresh({ schema: { version: 1, stores } });
const [tasks, notes, drafts, beside, tagged] = Object.keys(stores).map((name) => engine.table(name));
const kindOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const outcome = {};

// What is given is what is stored, or it is refused.
const others = {
  blob: new Blob(['hello']),
  file: new File(['hello'], 'name.txt'),
  bytes: new Uint8Array([1, 2, 3]),
  date: new Date(5),
  map: new Map([['k', 1]]),
};
for (const [key, value] of Object.entries(others)) await beside.put(value, key);
outcome.stored = (await stored('failures-1', 'beside')).map(kindOf).sort();
outcome.read = [
  await (await beside.get('blob')).text(),
  (await beside.get('map')).get('k'),
  (await beside.get('bytes'))[2],
];
outcome.refused = [
  await codeOf(drafts.add(others.blob)),
  await codeOf(drafts.put(Promise.resolve({ text: 'not awaited' }))),
  await codeOf(tasks.put(others.map)),
  await codeOf(beside.put(Promise.resolve(1), 'promise')),
  await codeOf(beside.put('text', 'text')),
];
outcome.fields = [
  await codeOf(beside.update('blob', { name: 'lost' })),
  await codeOf(beside.update('map', (row) => void row.set('k', 2))),
  await codeOf(beside.upsert('date', { name: 'lost' })),
  await codeOf(beside.bulkUpdate([{ key: 'bytes', changes: { 3: 4 } }])),
  await codeOf(tasks.upsert('x', new Map())),
];
outcome.untouched = (await stored('failures-1', 'beside')).map(kindOf).sort();
await plant('failures-1', 'beside', 'text', 'planted');
const live = beside.live();
const end = live.subscribe(() => {});
await until(() => live.status !== 'loading');
outcome.live = [live.status, ...live.current.map(kindOf).sort()];
end();

// A function changes fields, and a dot in a field's name leads nowhere.
outcome.dotted = {};
for (const table of [notes, drafts]) {
  const key = await table.put({ ...(table === notes && { id: 'n' }), 'x@y.com': 1, 'x@y': { com: 'other' }, gone: 1 });
  await table.update(key, (row) => {
    row['x@y.com'] = 2;
  });
  const updated = await table.get(key);
  await table.toCollection().modify((row) => {
    delete row['x@y.com'];
    row['new.one'] = 3;
  });
  const modified = await table.get(key);
  await table.update(key, (row) => {
    row['new.one'] = 4;
    return { 'x@y.com': 'by path' };
  });
  const both = await table.get(key);
  const shown = (row) => [row['x@y.com'] ?? null, row['x@y'].com, row['new.one'] ?? null];
  outcome.dotted[table.name] = [updated, modified, both].map(shown);
}

// Another object in a record's place names what it means.
await tasks.add({ id: 'r', title: 'old', extra: 1 });
outcome.replaced = await tasks.toCollection().modify((_, context) => {
  context.value = { id: 'r', title: 'new' };
});
const { title, extra, authorId } = await tasks.get('r');
outcome.replacement = [title, extra ?? null, authorId];
const byNumber = tasks.toCollection().modify((_, context) => {
  context.value = 5;
});
outcome.noReplacement = await codeOf(byNumber);

// One instant has one spelling.
await tasks.clear({ tombstones: true });
await tasks.bulkPut([
  { id: 'a', dueDate: '2026-01-01' },
  { id: 'b', dueDate: '2026-01-01T02:00:00+02:00' },
  { id: 'c', dueDate: new Date('2026-01-01T00:00:00Z') },
  { id: 'd', dueDate: 'soon' },
]);
await tasks.upsert('e', { dueDate: '2026-01-01T00:00Z' });
outcome.dates = {
  stored: [...new Set((await stored('failures-1', 'tasks')).map((row) => row.dueDate))].filter(Boolean).sort(),
  equal: await tasks.where('dueDate').equals('2026-01-01').primaryKeys(),
  above: await tasks.where('dueDate').between('2026-01-01T00:30:00Z', '2027').primaryKeys(),
  starting: await tasks.where('dueDate').startsWith('2026').count(),
  far: await codeOf(tasks.put({ id: 'y', dueDate: new Date(Date.UTC(12026, 0, 1)) })),
  before: await codeOf(tasks.update('a', { dueDate: '-000044-03-15T00:00:00Z' })),
  bound: await codeOf(Promise.resolve().then(() => tasks.where('dueDate').below(new Date(8.64e15)).count())),
};

// A page before `or` counts rows, where each is to come once.
await tagged.bulkPut([
  { id: '1', tags: ['x', 'y'], rank: 1 },
  { id: '2', tags: ['x'], rank: 1 },
  { id: '3', tags: ['y'], rank: 1 },
  { id: '9', tags: [], rank: 9 },
]);
const both = () => tagged.where('tags').anyOf('x', 'y').distinct();
outcome.distinct = [
  await both().limit(3).or('rank').equals(9).primaryKeys(),
  await both().offset(1).limit(2).or('rank').equals(9).count(),
];

// Keys come with each row, whatever the function looks like; a new key is written into the object.
outcome.entries = [];
await tagged.limit(1).each((...both) => outcome.entries.push(both[1].primaryKey));
await tagged.limit(1).each((_row, entry = null) => outcome.entries.push(entry.key));
const draft = { text: 'new' };
const record = { text: 'new' };
outcome.keys = [(await drafts.add(draft)) === draft.id, (await notes.put(record)) === record.id];
outcome.frozen = typeof (await drafts.add(Object.freeze({ text: 'frozen' })));

await engine.destroy({ force: true });
report(outcome);

/** Puts a value into a store without the engine. */
async function plant(name, store, value, key) {
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const tx = db.transaction(store, 'readwrite');
  tx.objectStore(store).put(value, key);
  await new Promise((resolve, reject) => {
    tx.oncomplete = resolve;
    tx.onabort = () => reject(tx.error);
  });
  db.close();
}
