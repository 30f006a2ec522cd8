// What the pages of this directory share: an engine with a fresh database, and what IndexedDB really holds.
import { openEngine } from './pkg/index.js';

export const options = {
  schema: { version: 1, stores: { tasks: 'id, dueDate', notes: 'id', drafts: '++id' } },
  apps: { todo: { tables: { tasks: { dates: ['dueDate'] }, notes: {} } } },
  user: { id: 'u1', displayName: 'First user' },
};

let opened = 0;

/** An engine with a database of its own. */
export function fresh(more = {}) {
  opened += 1;
  return openEngine({ ...options, name: `failures-${opened}`, ...more });
}

/** All rows of a store, read without the engine. */
export async function stored(engineName, store) {
  const db = await raw(engineName);
  const rows = await rowsOf(db, store);
  db.close();
  return rows;
}

/** The rows of every store there is, each as `{ key, row }`, by store, read without the engine. */
export async function everything(engineName) {
  const db = await raw(engineName);
  const stores = {};
  for (const store of db.objectStoreNames) {
    const [rows, keys] = await Promise.all([rowsOf(db, store), rowsOf(db, store, 'getAllKeys')]);
    stores[store] = rows.map((row, at) => ({ key: keys[at], row }));
  }
  db.close();
  return stores;
}

function raw(engineName) {
  return settled(indexedDB.open(engineName));
}

function rowsOf(db, store, method = 'getAll') {
  return settled(db.transaction(store).objectStore(store)[method]());
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The ids that records and log name; they must be the same. */
export async function recordsAndLog(name) {
  const records = (await stored(name, 'tasks')).map((row) => row.id);
  const logged = (await stored(name, '_changeLog')).flatMap((row) => row.changes.map((change) => change.id));
  return { records: records.sort(), logged: [...new Set(logged)].sort() };
}

/** The code a promise rejects with, or `resolved`. */
export async function codeOf(promise) {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return error.code ?? `no code: ${error}`;
  }
}

export function report(outcome) {
  document.querySelector('output').textContent = JSON.stringify(outcome);
}

/** Waits for a condition, at most ten seconds. */
export async function until(condition) {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
