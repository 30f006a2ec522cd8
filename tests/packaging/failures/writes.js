// Writes of several rows, by query and by path: what is written, what is refused, and in which order calls take effect.
import { codeOf, fresh, recordsAndLog, report, stored } from './common.js';

const stores = { tasks: 'id, dueDate', notes: 'id', drafts: '++id, &slug', pairs: '[a+b]', beside: '' };
const engine = await fresh({ schema: { version: 1, stores } });
const name = 'failures-1';
const [tasks, drafts, pairs, beside] = ['tasks', 'drafts', 'pairs', 'beside'].map((table) => engine.table(table));
const outcome = {};
const failed = async (promise) => {
  const error = await promise.then(
    () => ({ code: 'resolved' }),
    (thrown) => thrown,
  );
  const failures = error.details?.failures?.map(({ position, key, code }) => [position, key ?? null, code]);
  return [error.code, failures, error.details?.successCount];
};
const ids = async (table) => (await table.toArray()).map((row) => row.id);

// Rows that are refused are named; the others are written, with their log entries.
await tasks.add({ id: 'a', title: 'there' });
outcome.syncedBulk = await failed(
  tasks.bulkAdd([{ id: 'b' }, { id: 'a' }, { id: 'c', bad: new Map() }, { id: 'd' }, { id: 'b' }, { id: 7 }]),
);
outcome.afterSyncedBulk = await recordsAndLog(name);
await drafts.add({ slug: 'taken' });
outcome.localBulk = await failed(
  drafts.bulkAdd([{ slug: 'x' }, { slug: 'taken' }, { slug: 'y', act: () => {} }, { id: true }, { slug: 'x' }]),
);
outcome.localPut = await failed(
  drafts.bulkPut(
    [
      { id: 1, slug: 'x' },
      { id: 9, slug: 'nine' },
    ],
    { allKeys: true },
  ),
);
outcome.afterLocalBulk = (await stored(name, 'drafts')).map((row) => [row.id, row.slug]);
outcome.one = await codeOf(drafts.add({ slug: 'taken' }));
outcome.allKeys = [
  await drafts.bulkAdd([{}, {}], { allKeys: true }),
  await drafts.bulkAdd([{}, {}]),
  await drafts.bulkAdd([]),
];

// In a transaction the error undoes everything, unless it is caught.
outcome.uncaught = await failed(
  engine.transaction('rw', ['tasks', 'drafts'], async (tx) => {
    await tx.table('drafts').add({ slug: 'undone' });
    await tx.table('tasks').bulkAdd([{ id: 'e' }, { id: 'a' }]);
  }),
);
outcome.caught = await engine.transaction('rw', ['tasks', 'drafts'], async (tx) => {
  const first = await failed(tx.table('tasks').bulkAdd([{ id: 'e' }, { id: 'a' }]));
  const second = await failed(tx.table('drafts').add({ slug: 'taken' }));
  await tx.table('drafts').add({ slug: 'goes on' });
  return [first, second];
});
outcome.afterTransactions = { ...(await recordsAndLog(name)), slugs: (await drafts.toArray()).map((row) => row.slug) };

// Keys of several parts, and keys beside the rows.
outcome.keys = [
  await pairs.add({ a: 1, b: 'x', n: 1 }),
  await pairs.upsert([1, 'x'], { n: 2 }),
  await pairs.upsert([2, 'y'], { 'deep.n': 3 }),
  await pairs.toArray(),
  await beside.add({ v: 1 }, 'k'),
  await codeOf(beside.add({ v: 1 }, 'k')),
  await codeOf(beside.add({ v: 1 })),
  await beside.bulkPut([{ v: 2 }, { v: 3 }], ['k', new Date(0)], { allKeys: true }),
  await beside.update('k', { v: 4 }),
  (await beside.get('k')).v,
  await codeOf(tasks.add({ id: 'z' }, 'z')),
];

// Parts of rows.
await tasks.put({ id: 'p', list: [1, { x: 1 }, 3], text: 'abc', deep: { a: 1, b: 2 } });
outcome.paths = [
  await tasks.update('p', { 'list.1.x': 2, 'deep.a': undefined, 'new.way': 1 }),
  await codeOf(tasks.update('p', { 'text.length': 1 })),
  await codeOf(tasks.update('p', { 'list.9': 1 })),
  await tasks.update('p', { 'list.0': undefined }),
];
const { list, deep, new: made, text } = await tasks.get('p');
outcome.parts = { list, deep, made, text };
outcome.upsert = [
  await tasks.upsert('u', { title: 'made' }),
  await tasks.upsert('u', { title: 'changed' }),
  (await tasks.get('u')).title,
];
outcome.upsertRefused = [await codeOf(tasks.upsert('v', { id: 'w' })), await codeOf(tasks.upsert(7, { title: 'x' }))];
outcome.bulkUpdate = await tasks.bulkUpdate([
  { key: 'u', changes: { title: 'again' } },
  { key: 'nobody', changes: { title: 'x' } },
  { key: 'u', changes: { title: 'last' } },
]);
outcome.bulkUpdateRefused = await failed(
  tasks.bulkUpdate([
    { key: 'u', changes: { title: 'kept' } },
    { key: 'p', changes: { authorId: 'u2' } },
  ]),
);

// By query.
outcome.modify = await tasks.filter((row) => ['a', 'b', 'd'].includes(row.id)).modify({ 'flags.seen': true });
outcome.modifyEach = await tasks
  .where('id')
  .startsWith('')
  .filter((row) => row.id.length === 1)
  .modify(function (row, context) {
    if (row.id === 'a') delete this.value;
    else if (row.id === 'b') context.value = { ...row, title: 'replaced', flags: undefined };
    else if (row.id === 'd') row.flags.seen = 'yes';
    else return false;
  });
outcome.modified = Object.fromEntries(
  (await tasks.includeDeleted().toArray()).map((row) => [row.id, [row.title, row.flags?.seen, row.deletedAt !== null]]),
);
const mine = new RangeError('mine');
outcome.modifyThrows = await tasks
  .toCollection()
  .modify((row) => {
    row.title = 'never';
    if (row.id === 'u') throw mine;
  })
  .catch((error) => error === mine);
outcome.modifyRefused = await failed(tasks.where('id').equals('u').modify({ when: new Map() }));
outcome.untouched = (await tasks.toArray()).some((row) => row.title === 'never');
outcome.deleted = [await tasks.where('id').equals('e').delete(), await ids(tasks)];

// Away from this device, and away everywhere.
await tasks.purge('d');
outcome.purged = [await tasks.get('d'), (await stored(name, 'tasks')).find((row) => row.id === 'd')?.title];
await tasks.restore('d');
outcome.purgedStays = (await tasks.includeDeleted().toArray()).some((row) => row.id === 'd');
outcome.clear = [await codeOf(tasks.clear()), await tasks.count()];
await tasks.clear({ tombstones: true });
outcome.cleared = [
  await tasks.count(),
  (await tasks.includeDeleted().toArray()).every((row) => row.deletedAt !== null),
];
await drafts.clear();
outcome.clearedLocal = await drafts.count();

// Calls take effect in their order, whether or not they are awaited and whatever they are.
const order = [];
const early = tasks.add({ id: 'o', n: 1 });
const update = tasks.update('o', { n: 2 });
const inside = engine.transaction('rw', 'tasks', async (tx) => {
  order.push((await tx.table('tasks').get('o'))?.n);
  await tx.table('tasks').update('o', { n: 3 });
});
const seen = tasks.get('o');
const late = tasks.update('o', { n: 4 });
await Promise.all([early, update, inside, late]);
outcome.order = [...order, (await seen).n, (await tasks.get('o')).n];

// Readers run beside each other: the first ends only when the second is in the middle.
outcome.parallel = await readersMeet();
await engine.destroy({ force: true });
report(outcome);

/** Two read-only transactions each go on only when the other has read, which one after the other never could. */
async function readersMeet() {
  const arrived = [false, false];
  const reader = (me) =>
    engine.transaction('r', 'tasks', async (tx) => {
      for (let turn = 0; turn < 2000; turn += 1) {
        await tx.table('tasks').get('o');
        arrived[me] = true;
        if (arrived[1 - me]) return true;
      }
      return false;
    });
  return (await Promise.all([reader(0), reader(1)])).every(Boolean);
}
