// What an app's TypeScript sees of the package.
import { type ManaError, openEngine } from '@mana/sync-engine';
import { live } from '@mana/sync-engine/svelte';

interface Task {
  id: string;
  title: string;
}

export async function titles(): Promise<string[]> {
  const engine = await openEngine({
    name: 'types',
    schema: { version: 1, stores: { tasks: 'id' } },
    apps: { todo: { tables: { tasks: {} } } },
    user: null,
    spaces: [],
    activeSpaceId: null,
  });
  const tasks = engine.table<Task>('tasks');
  const handle = live(() => tasks.toCollection());
  const error: ManaError | null | undefined = handle.error;
  return error ? [error.code] : (await tasks.toArray()).map((task) => task.title);
}
