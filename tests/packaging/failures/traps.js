// An instance that ends without a panic between a record's put and its log row's put: by a trap, for want of memory, or for
// want of stack. It happens in a task, so nobody who called is thrown at.
import { codeOf, fresh, recordsAndLog, report } from './common.js';

const engine = await fresh();
const tasks = engine.table('tasks');
const codes = [];
const afterwards = [];
for (const fault of ['abort', 'allocation', 'stack']) {
  await tasks.add({ id: `before ${fault}` });
  globalThis.manaPlant = fault;
  const [written, read] = [tasks.add({ id: `never, ${fault}` }), tasks.get('nothing')];
  codes.push([await codeOf(written), await codeOf(read)]);
  globalThis.manaPlant = undefined;
  await tasks.add({ id: `after ${fault}` });
  const { held, pending } = await navigator.locks.query();
  afterwards.push([held.length, pending.length]);
}
report({ codes, afterwards, ...(await recordsAndLog('failures-1')) });
