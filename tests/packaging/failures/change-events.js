// What `change` events say of each commit, in the engine that made it and in another one on the same database.
import { fresh, options, report, until } from './common.js';
import { openEngine } from './pkg/index.js';

const engine = await fresh();
const other = await openEngine({ ...options, name: 'failures-1' });
const heard = { here: [], there: [] };
const note = (list) => (detail) =>
  list.push(detail.map(({ table, op, origin, ids, fields, here }) => ({ table, op, origin, ids, fields, here })));
engine.on('change', note(heard.here));
other.on('change', note(heard.there));
const tasks = engine.table('tasks');

await tasks.bulkAdd([
  { id: 'a', title: 'A' },
  { id: 'b', title: 'B' },
]);
await tasks.put({ id: 'a', title: 'A2', done: true });
await tasks.put({ id: 'a', title: 'A2', done: true });
await engine.as({ kind: 'ai', principalId: 'helper' }).table('tasks').update('b', { title: 'B2' });
await tasks.delete('b');
await tasks.restore('b');
await tasks.purge('b');
await engine.transaction('rw', ['tasks', 'drafts'], async (tx) => {
  await tx.table('drafts').add({ text: 'one' });
  await tx.table('drafts').put({ id: 1, text: 'two', when: new Date(0) });
  await tx.table('tasks').update('a', { title: 'A3' });
});
await engine
  .transaction('rw', 'tasks', async (tx) => {
    await tx.table('tasks').update('a', { title: 'undone' });
    tx.abort();
  })
  .catch(() => {});
await engine.table('drafts').put({ id: 1, text: 'two', when: new Date(0) });
await engine.transaction('rw', 'drafts', async (tx) => {
  for (const text of ['three', 'four']) await tx.table('drafts').update(1, { text });
});
await engine.table('drafts').clear();
await until(() => heard.there.length === heard.here.length && heard.here.length >= 9);
const alike = heard.there.every((commit, at) =>
  commit.every((change, one) => JSON.stringify({ ...change, here: true }) === JSON.stringify(heard.here[at][one])),
);
other.close();
await engine.destroy({ force: true });
report({ here: heard.here, alike });
