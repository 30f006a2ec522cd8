// Databases as older apps left them, to see how this one takes them over.
import { type EngineOptions, openEngine } from '@mana/sync-engine';
import { firstTasks } from './samples.ts';
import { type TaskOfVersion1, version1 } from './schema.ts';
import { today } from './today.svelte.ts';

/** What version 1 of this app left: no indexes, `done` for `state`, null for no due date. */
export async function makeVersion1({ name, user = null }: EngineOptions): Promise<void> {
  const engine = await openEngine({ name, user, schema: version1, apps: { todo: { tables: { tasks: {} } } } });
  await engine.table<TaskOfVersion1>('tasks').bulkAdd(tasksOfVersion1().map(({ id, ...task }) => task));
  engine.close();
}

/** What an app on Dexie left at its version 1: records, and a queue with some of the changes that were not sent. */
export async function makeDexieApp({ name }: EngineOptions): Promise<void> {
  const db = await createDexieDatabase(name);
  const tx = db.transaction(['tasks', '_pendingChanges'], 'readwrite');
  const createdAt = new Date(Date.now() - 86_400_000).toISOString();
  for (const [at, task] of tasksOfVersion1().entries()) {
    const data = { ...task, createdAt };
    const change = { appId: 'todo', collection: 'tasks', recordId: task.id, op: 'insert', createdAt, data };
    tx.objectStore('tasks').add(data);
    // The others were never queued, as happens when a hook fails: they are found, too.
    if (at < 2) tx.objectStore('_pendingChanges').add(change);
  }
  // Nothing of this app takes it: it is listed among what was not accepted, to be thrown away.
  const label = { appId: 'todo', collection: 'labels', recordId: 'garden', op: 'insert', createdAt };
  tx.objectStore('_pendingChanges').add({ ...label, data: { id: 'garden', name: 'Garden' } });
  await completed(tx);
  db.close();
}

function completed(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error);
  });
}

/** Dexie multiplies the app's version by ten. */
function createDexieDatabase(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 10);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('tasks', { keyPath: 'id' });
      request.result.createObjectStore('_pendingChanges', { keyPath: 'id', autoIncrement: true });
      request.result.createObjectStore('_syncMeta', { keyPath: ['appId', 'collection'] });
      request.result.createObjectStore('_clientIdentity', { keyPath: 'id' });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function tasksOfVersion1(): TaskOfVersion1[] {
  return firstTasks(today.day).map(({ state, dueDate, ...task }, at) => ({
    ...task,
    id: crypto.randomUUID(),
    dueDate: dueDate || null,
    done: at === 2,
    doneAt: at === 2 ? new Date().toISOString() : null,
  }));
}
