// A tab whose vault is locked when nobody uses it for an hour.
import { options } from './common.js';
import { openEngine } from './pkg/index.js';

const engine = await openEngine({
  ...options,
  name: 'failures-idle',
  encryption: { fields: { tasks: ['title'] }, format: 2 },
  vault: { waitMs: 0, idleLockMs: 3_600_000 },
});
const tasks = engine.table('tasks');

globalThis.states = [];
engine.vault.state.subscribe((state) => globalThis.states.push(state));
globalThis.unlock = async () => {
  await engine.vault.unlock({ rawKey: new Uint8Array(32).fill(3) });
  await tasks.put({ id: 'a', title: 'sealed', edits: 0 });
};
/** A write of the kind that reads first: in a transaction. */
globalThis.edit = () => tasks.update('a', (task) => ({ edits: task.edits + 1, title: `${task.title}!` }));
/** A call about a whole record; what comes of it does not matter here. */
globalThis.show = () => engine.setVisibility('tasks', 'a', 'space').catch(() => undefined);
globalThis.isLocked = async () => engine.isLocked(await tasks.get('a'));
