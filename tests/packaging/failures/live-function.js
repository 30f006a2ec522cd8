// A function that is followed: commits of this tab and of others, of several tables, and what it does not read.
import { fresh, options, report, until } from './common.js';
import { liveQuery, openEngine } from './pkg/index.js';

const engine = await fresh();
const other = await openEngine({ ...options, name: 'failures-1' });
const [tasks, notes, drafts] = ['tasks', 'notes', 'drafts'].map((name) => engine.table(name));
await tasks.bulkPut([{ id: 'a' }, { id: 'b' }]);

let runs = 0;
const handle = liveQuery(engine, async (q) => {
  runs += 1;
  const ids = await q.table('tasks').toCollection().primaryKeys();
  await new Promise((resolve) => setTimeout(resolve, 1));
  return [...ids, await q.table('notes').count()].join();
});
const seen = [];
const end = handle.subscribe((value) => seen.push(value ?? null));
const shows = (value) => until(() => handle.current === value);

await shows('a,b,0');
await notes.put({ id: 'n' });
await shows('a,b,1');
await other.table('tasks').delete('a');
await shows('b,1');
await tasks.clear({ tombstones: true });
await shows('1');
await engine.transaction('rw', ['tasks', 'notes'], async (tx) => {
  await tx.table('tasks').put({ id: 'c' });
  await tx.table('notes').put({ id: 'm' });
});
await shows('c,2');
const before = runs;
await drafts.add({ text: 'nobody reads this' });
await new Promise((resolve) => setTimeout(resolve, 100));
const unread = runs - before;
const { status } = handle;
end();
other.close();
await engine.destroy({ force: true });
report({ seen, unread, status });
