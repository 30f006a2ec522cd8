// Database handles that the browser has dropped without a word, as Safari does: each call on them fails, and no event says why.
import { codeOf, fresh, report, stored, until } from './common.js';

const begin = IDBDatabase.prototype.transaction;
const dead = new Set();
const used = new Set();
let thrown;
IDBDatabase.prototype.transaction = function (...given) {
  if (dead.has(this)) throw thrown();
  used.add(this);
  return begin.apply(this, given);
};
const ways = [
  () => new DOMException('The database connection is closing.', 'InvalidStateError'),
  () => new DOMException('Connection to Indexed Database server lost. Refresh the page to try again', 'UnknownError'),
];
/** The names of the locks that are held, and how many wait: each instance has one while it is open, and one of them leads. */
const locks = async () => {
  const { held, pending } = await navigator.locks.query();
  return { held: held.map(({ name }) => name.split(':')[2]).sort(), waiting: pending.length };
};
const leads = async () => (await locks()).held.includes('leader');

const engine = await fresh({ sync: { url: `${location.origin}/nothing`, getToken: async () => 'token' } });
const tasks = engine.table('tasks');
const outcomes = [];
for (const [at, way] of ways.entries()) {
  await tasks.add({ id: `before ${at}` });
  await until(leads);
  thrown = way;
  for (const handle of used) dead.add(handle);
  const codes = [await codeOf(tasks.add({ id: `first ${at}` })), await codeOf(tasks.add({ id: `second ${at}` }))];
  await until(leads);
  outcomes.push({ codes, ...(await locks()) });
}
const rows = await stored('failures-1', 'tasks');
report({ outcomes, ids: rows.map(({ id }) => id) });
