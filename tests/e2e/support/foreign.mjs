// Changes of other devices that this version of the demo cannot apply.
import { randomUUID } from 'node:crypto';
import { Phone } from '../../support/phone.mjs';

/** Pushes so many tasks that a newer version of the app made, as a device of that user. */
export async function newerTasks(server, count, user = 'alice') {
  const device = new Phone(server, 'todo', ['tasks'], undefined, user);
  const task = (_, n) => device.change('insert', 'tasks', `newer-${n}-${randomUUID()}`, { title: `Newer ${n}` });
  const changes = Array.from({ length: count }, task).map((change) => ({ ...change, schemaVersion: 9 }));
  // A push has at most 1,000.
  for (let at = 0; at < count; at += 500) await device.push(changes.slice(at, at + 500));
}

/** What no server that works would let through. */
export const foreignChanges = [
  insert('from-the-future', { at: '2099-01-01T00:00:00.000000Z' }),
  insert('of-a-part-that-is-not-here', { table: 'attic' }),
  { eventId: randomUUID(), nonsense: true },
  insert('here-already', { spaceId: 'a-list-of-somebody' }),
];

/** What comes before them and can be applied. */
const applied = insert('here-already', {});

/** Has the server answer a profile's pulls with those changes, too. */
export async function withForeignChanges(context) {
  await context.route('**/v2/pull', async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    await route.fulfill({ response, json: { ...answer, changes: [...answer.changes, applied, ...foreignChanges] } });
  });
}

/** Has the database of a profile be one that an older app made: of all open tasks of one day it takes one. */
export async function withUniqueIndex(context) {
  await context.addInitScript(() => {
    const { createIndex } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.createIndex = function (name, path, options) {
      const isOlder = this.name === 'tasks' && name === '[state+dueDate]';
      return createIndex.call(this, name, path, isOlder ? { ...options, unique: true } : options);
    };
  });
}

/** Pushes two tasks with one value in that index. */
export async function twoOfOneDate(server, user) {
  const device = new Phone(server, 'todo', ['tasks'], undefined, user);
  for (const n of [1, 2]) {
    const task = { title: `Dated ${n}`, state: 'open', project: 'Home', dueDate: '2030-02-03' };
    await device.push([device.change('insert', 'tasks', `dated-${n}-${randomUUID()}`, task)]);
  }
}

function insert(id, { table = 'tasks', at = new Date().toISOString(), spaceId = '_personal:alice' }) {
  const frame = { eventId: randomUUID(), app: 'todo', schemaVersion: 1, table, id, op: 'insert', at };
  return {
    ...frame,
    data: { title: 'Foreign' },
    spaceId,
    visibility: 'space',
    origin: 'user',
    userId: 'alice',
  };
}
