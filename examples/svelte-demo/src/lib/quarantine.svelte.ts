// What came from the server for one device's user and cannot be applied here, counted in every tab.
import { type Engine, ManaError, type QuarantineCount } from '@mana/sync-engine';
import type { Device } from './device.svelte.ts';

export class Quarantine {
  readonly #device: Device;
  /** By reason; empty when nothing waits. */
  counts = $state.raw<readonly QuarantineCount[]>([]);
  #engine: Engine | null = null;
  #looks = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  /** Follows what waits in an engine while it is open. */
  follow(engine: Engine): void {
    this.#engine = engine;
    // The event comes in the tab that syncs. What waited is tried again in rounds of sync, of which the status tells all tabs.
    engine.on('quarantine', () => void this.#look());
    engine.sync.status.subscribe(() => void this.#look());
  }

  reset(): void {
    this.#engine = null;
    this.counts = [];
  }

  async #look(): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    this.#looks += 1;
    const look = this.#looks;
    await this.#device.attempt('Counting the changes that wait', async () => {
      const counts = await countsOf(engine);
      if (counts && this.#engine === engine && this.#looks === look) this.counts = counts;
    });
  }
}

/** Nothing when the engine was closed meanwhile: that is told elsewhere. */
async function countsOf(engine: Engine): Promise<readonly QuarantineCount[] | undefined> {
  try {
    return await engine.sync.quarantine();
  } catch (error) {
    if (error instanceof ManaError && error.code === 'closed') return undefined;
    throw error;
  }
}
