// Opens an engine as an app does, writes a row, reads it back, and brings it back from a backup.
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
    const read = async () => (await engine.table('tasks').toArray()).map((task) => task.title);
    const titles = await read();
    const { blob } = await engine.archive.export({ passphrase: 'words' });
    await engine.table('tasks').delete('t1');
    await engine.archive.import(blob, { passphrase: 'words', mode: 'overwrite' });
    const restored = await read();
    await engine.destroy({ force: true });
    // The engine's; that of archives is loaded by their worker, or here as well where none started.
    const modules = performance.getEntriesByType('resource').filter(({ name }) => name.includes('.wasm')).length;
    return { titles, restored, modules };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}
