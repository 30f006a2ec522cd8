// The notebook of one device: an app of its own, whose notes come to the device when it is first opened.
import { live } from '@mana/sync-engine/svelte';
import type { Device } from './device.svelte.ts';

export class Notebook {
  readonly #device: Device;
  /** Whether it is open. */
  shown = $state(false);
  /** Whether all notes have come to this device once; null while that is not known. */
  complete = $state<boolean | null>(null);
  /** Nothing is read before it is opened: reading has it pulled. */
  readonly #notes = live(() => (this.shown && this.#device.engine ? this.#device.notes.orderBy(':id') : undefined));

  constructor(device: Device) {
    this.#device = device;
  }

  get notes() {
    return this.#notes.current ?? [];
  }

  /** Opens it, and waits for its notes to come. */
  open(): void {
    this.shown = true;
    void this.#ensure();
  }

  add(text: string): Promise<boolean> {
    return this.#device.save('Adding the note', () => this.#device.notes.add({ text }));
  }

  remove(id: string): Promise<boolean> {
    return this.#device.save('Deleting the note', () => this.#device.notes.delete(id));
  }

  reset(): void {
    this.shown = false;
    this.complete = null;
  }

  async #ensure(): Promise<void> {
    const { engine, user } = this.#device;
    if (!engine || this.complete) return;
    // A guest has no other device that notes could come from.
    const isHere = user
      ? await engine.sync.ensure('notebook').then(
          () => true,
          () => false,
        )
      : true;
    // What did not come now comes by itself; the next opening asks again.
    if (this.#device.engine === engine) this.complete = isHere;
  }
}
