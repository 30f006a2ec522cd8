// The database of the app, in the browser.
import { type Engine, openEngine } from '@mana/sync-engine';
import { served } from './served.js';

export interface Task {
  id: string;
  title: string;
}

export async function openDatabase(): Promise<Engine> {
  const engine = await openEngine({
    name: 'kit',
    schema: { version: 1, stores: { tasks: 'id' } },
    apps: { todo: { tables: { tasks: {} } } },
    user: { id: 'ada' },
  });
  // In place of the first sync.
  await engine.table<Task>('tasks').bulkPut(served);
  return engine;
}
