// Reads that are no rows (counts, keys) and follow the database as live queries do.
import type { Engine } from '@mana/sync-engine';

export class Followed<T> {
  /** The last result. */
  current = $state.raw<T | undefined>(undefined);
  /** Why the last read failed. */
  error = $state.raw<unknown>(null);

  /**
   * Reads again when state that `read` reads changes, and after each commit that changed tasks. Made while a component
   * is, and ends with it.
   */
  constructor(engine: () => Engine | null, read: () => Promise<T>) {
    $effect(() => {
      const open = engine();
      return open ? this.#follow(open, read) : undefined;
    });
  }

  #follow(engine: Engine, read: () => Promise<T>): () => void {
    let ended = false;
    let running = false;
    let again = false;
    const once = async () => {
      try {
        const value = await read();
        if (!ended) [this.current, this.error] = [value, null];
      } catch (error) {
        if (!ended) this.error = error;
      }
    };
    // Of the commits that come during a read, one more read tells all.
    const run = async () => {
      again = running;
      if (running) return;
      running = true;
      do {
        again = false;
        await once();
      } while (again && !ended);
      running = false;
    };
    void run();
    const off = engine.on('change', (changes) => {
      if (changes.some(({ table }) => table === 'tasks')) void run();
    });
    return () => {
      ended = true;
      off();
    };
  }
}
