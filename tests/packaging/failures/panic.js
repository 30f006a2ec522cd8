// A panic between a record's put and its log row's put, in a write of its own and in a transaction.
import { codeOf, fresh, recordsAndLog, report, until } from './common.js';

const engine = await fresh();
const tasks = engine.table('tasks');
await tasks.add({ id: 'before', title: 'kept' });

const seen = [];
tasks
  .toCollection()
  .live()
  .subscribe((rows) => {
    seen.push((rows ?? []).map((row) => row.id).join());
  });
await until(() => seen.includes('before'));

globalThis.manaPlant = 'panic';
const alone = tasks.add({ id: 'alone', title: 'never' });
const inFlight = tasks.get('before');
const codes = [await codeOf(alone), await codeOf(inFlight)];
globalThis.manaPlant = undefined;
const afterFirst = await recordsAndLog('failures-1');

await tasks.add({ id: 'between', title: 'works again' });
const second = engine.transaction('rw', ['tasks', 'notes'], async (tx) => {
  await tx.table('tasks').put({ id: 'inside', title: 'never' });
  await tx.table('notes').put({ id: 'note', text: 'never' });
  globalThis.manaPlant = 'panic';
});
codes.push(await codeOf(second));
globalThis.manaPlant = undefined;
const afterSecond = await recordsAndLog('failures-1');

await tasks.add({ id: 'last', title: 'works again' });
await until(() => seen.at(-1) === 'before,between,last');
const pending = await engine.sync.unsentCount();
await engine.destroy({ force: true });
report({ codes, afterFirst, afterSecond, pending });
