// What a transaction does when its code throws, waits for something else, or forgets to wait.
import { codeOf, fresh, recordsAndLog, report } from './common.js';

const engine = await fresh();
const name = 'failures-1';
const elsewhere = () => new Promise((resolve) => setTimeout(resolve, 30));
const outcome = {};

outcome.all = await engine.transaction('rw', ['tasks', 'drafts'], async (tx) => {
  await tx.table('tasks').add({ id: 'a', title: 'one' });
  await tx.table('tasks').update('a', { title: 'two' });
  await Promise.resolve().then(() => Promise.resolve());
  await tx.table('drafts').add({ text: 'local' });
  return (await tx.table('tasks').get('a')).title;
});

const foreign = engine.transaction('rw', ['tasks'], async (tx) => {
  await tx.table('tasks').add({ id: 'b', title: 'never' });
  await elsewhere();
  await tx.table('tasks').add({ id: 'c', title: 'never' });
});
outcome.foreign = await foreign.catch((error) => ({ code: error.code, call: error.details?.call }));

const foreignAtTheEnd = engine.transaction('rw', ['tasks'], async (tx) => {
  await tx.table('tasks').add({ id: 'd', title: 'never' });
  await elsewhere();
});
outcome.foreignAtTheEnd = await codeOf(foreignAtTheEnd);

const thrown = engine.transaction('rw', ['tasks'], async (tx) => {
  await tx.table('tasks').add({ id: 'e', title: 'never' });
  throw new RangeError('the app changed its mind');
});
outcome.thrown = await thrown.catch((error) => error.name);

outcome.caught = await engine.transaction('rw', ['tasks'], async (tx) => {
  const refused = await codeOf(tx.table('tasks').add({ id: 'f', when: new Map() }));
  await tx.table('tasks').add({ id: 'g', title: 'kept' });
  return refused;
});

outcome.readOnly = await codeOf(
  engine.transaction('r', ['tasks'], (tx) => tx.table('tasks').put({ id: 'h', title: 'never' })),
);
outcome.outOfScope = await codeOf(
  engine.transaction('rw', ['tasks'], (tx) => tx.table('notes').put({ id: 'i', text: 'never' })),
);
let synced;
const waitsForItself = engine.transaction('rw', ['tasks'], async (tx) => {
  synced = tx.table('tasks').put({ id: 'j', title: 'never' }).synced;
  await synced;
});
outcome.waitsForItself = [await codeOf(waitsForItself), await codeOf(synced)];
await Promise.all(Array.from({ length: 20 }, countUp));
outcome.together = (await engine.table('tasks').get('a')).count;
outcome.kept = await recordsAndLog(name);
// Calls may be made together; each has its turn.
outcome.parallel = await engine.transaction('rw', ['notes', 'drafts'], async (tx) => {
  const ids = Array.from({ length: 12 }, (_, at) => `p${at}`);
  await Promise.all(ids.map((id) => tx.table('notes').put({ id, text: 'one' })));
  await Promise.all(ids.map((id) => tx.table('notes').update(id, { text: 'two' })));
  const rows = await Promise.all(ids.map((id) => tx.table('notes').get(id)));
  await Promise.all(ids.map((id) => tx.table('drafts').add({ id })));
  await Promise.all(ids.map((id) => tx.table('notes').delete(id)));
  return rows.filter((row) => row.text === 'two').length;
});
outcome.drafts = await engine.table('drafts').count();
await engine.destroy({ force: true });
report(outcome);

/** Reads and writes one record in a transaction; twenty of them must not lose one another's count. */
function countUp() {
  return engine.table('tasks').update('a', (row) => {
    row.count = (row.count ?? 0) + 1;
  });
}
