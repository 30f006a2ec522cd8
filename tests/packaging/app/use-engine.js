// Opens an engine as an app does, writes a row and reads it back.
import { openEngine } from '@mana/sync-engine';

export async function useEngine() {
  try {
    const engine = await openEngine({
      name: `packaging-${crypto.randomUUID()}`,
      schema: { version: 1, stores: { tasks: 'id' } },
      apps: { todo: { tables: { tasks: {} } } },
      user: null,
      spaces: [],
      activeSpaceId: null,
    });
    await engine.table('tasks').add({ id: 't1', title: 'Packed' });
    const titles = (await engine.table('tasks').toArray()).map((task) => task.title);
    await engine.destroy({ force: true });
    return { titles };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}
