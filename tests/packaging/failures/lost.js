// An engine whose database the browser closes.
import { codeOf, fresh, report, until } from './common.js';

const engine = await fresh();
const tasks = engine.table('tasks');
await tasks.add({ id: 'before' });
const handle = tasks.live();
handle.subscribe(() => {});
/** Writes until it is saved; tells what the live query shows then. */
globalThis.goOn = async () => {
  await until(async () => (await codeOf(tasks.put({ id: 'after' }))) === 'resolved');
  await until(() => handle.current?.map(({ id }) => id).join() === 'after');
  return handle.status;
};
report({ ready: true });
