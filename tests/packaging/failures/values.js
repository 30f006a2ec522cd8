// Every kind of value structured clone takes survives in local tables, and is refused by its path where it cannot travel.
import { fresh, report } from './common.js';

const engine = await fresh();
const [tasks, drafts] = [engine.table('tasks'), engine.table('drafts')];
const sparse = [1, 2, 3, 4];
delete sparse[1];
const cycle = { name: 'cycle' };
cycle.self = cycle;
const values = {
  date: new Date(5),
  map: new Map([['k', { v: new Set([1]) }]]),
  set: new Set(['a', 2]),
  bigint: 2n ** 70n,
  typed: new Float32Array([1.5, -2]),
  buffer: new Uint8Array([1, 2, 3]).buffer,
  blob: new Blob(['blob'], { type: 'text/plain' }),
  file: new File(['file'], 'name.txt', { lastModified: 7 }),
  nested: { gone: undefined, there: null },
  sparse,
  cycle,
  pattern: /a+/gi,
  notANumber: Number.NaN,
};

const key = await drafts.add({ ...values });
const row = await drafts.get(key);
const survived = {
  date: row.date instanceof Date && row.date.getTime() === 5,
  map: row.map instanceof Map && row.map.get('k').v.has(1),
  set: row.set instanceof Set && row.set.has(2),
  bigint: row.bigint === 2n ** 70n,
  typed: row.typed instanceof Float32Array && row.typed.join() === '1.5,-2',
  buffer: row.buffer instanceof ArrayBuffer && new Uint8Array(row.buffer).join() === '1,2,3',
  blob: row.blob instanceof Blob && (await row.blob.text()) === 'blob',
  file: row.file instanceof File && row.file.name === 'name.txt' && (await row.file.text()) === 'file',
  nested: 'gone' in row.nested && row.nested.gone === undefined && row.nested.there === null,
  sparse: row.sparse.length === 4 && !(1 in row.sparse) && row.sparse[2] === 3,
  cycle: row.cycle.self === row.cycle,
  pattern: row.pattern instanceof RegExp && row.pattern.flags === 'gi',
  notANumber: Number.isNaN(row.notANumber),
};
// An update of another field leaves them as they are.
await drafts.update(key, { 'more.deep': 1 });
const again = await drafts.get(key);
survived.updated = again.map.get('k').v.has(1) && (await again.blob.text()) === 'blob' && !(1 in again.sparse);

const paths = {};
for (const [name, value] of Object.entries({ ...values, undefinedInList: [1, undefined] })) {
  const record = { id: `x-${name}`, outer: { inner: [0, value] } };
  const error = await tasks.add(record).catch((thrown) => thrown);
  paths[name] = error?.code === 'value_not_syncable' ? error.details.path : (error?.code ?? 'resolved');
}

// Fields listed as dates are Dates wherever the app meets them.
const due = new Date('2026-05-01T10:00:00.000Z');
await tasks.add({ id: 'd', dueDate: due });
const dates = {};
const changes = [];
engine.on('change', (detail) => changes.push(...detail));
const live = tasks.where('dueDate').equals(due).live();
dates.live = await new Promise((resolve) => {
  const end = live.subscribe((rows) => {
    if (rows?.length === 1) setTimeout(() => end(resolve(rows[0].dueDate instanceof Date)));
  });
});
await tasks.update('d', (task) => {
  dates.update = task.dueDate instanceof Date;
  task.dueDate.setUTCDate(2);
});
await tasks
  .where('id')
  .equals('d')
  .modify((task) => {
    dates.modify = task.dueDate.getUTCDate();
    task.dueDate = new Date(task.dueDate.getTime() + 86_400_000);
  });
await tasks.toCollection().modify({ dueDate: new Date('2026-05-09T10:00:00.000Z') });
await tasks.upsert('d2', { dueDate: due });
dates.read = (await tasks.bulkGet(['d', 'd2'])).map((task) => task.dueDate.toISOString());
dates.stored = (await engine.inspector.record('tasks', 'd')).record.dueDate;
dates.refused = await tasks.update('d', { dueDate: new Date('never') }).catch((error) => error.details?.path);
dates.changes = changes.map(({ op, fields }) => `${op} ${fields}`);
await engine.destroy({ force: true });
report({ survived, paths, dates });
