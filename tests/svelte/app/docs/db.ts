// What the examples of docs/svelte.md import; they are put beside this file.
import { openEngine } from '@mana/sync-engine';
import { tokenFor } from '../../../support/page/token.js';

export interface Task {
  id: string;
  title: string;
  done: boolean;
  projectId: string;
}

const server = location.hash.slice(1);

export const engine = await openEngine({
  name: 'docs',
  schema: { version: 1, stores: { tasks: 'id, title, projectId' } },
  apps: { todo: { tables: { tasks: {} } } },
  user: { id: 'dora' },
  sync: { url: server, getToken: () => tokenFor(server, 'dora') },
});
export const tasks = engine.table<Task>('tasks');
await tasks.bulkPut([
  { id: 'a', title: 'Bake', done: false, projectId: 'p1' },
  { id: 'b', title: 'Cook', done: true, projectId: 'p1' },
  { id: 'c', title: 'Dust', done: false, projectId: 'p1' },
  { id: 'd', title: 'Eat', done: false, projectId: 'p2' },
]);
