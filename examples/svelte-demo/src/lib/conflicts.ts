// What a person wrote on one device and somebody else's later edit replaced: it is told, and can be written again.
import { type Conflict, type Engine, ManaError } from '@mana/sync-engine';
import { inWords, isTold, type Replaced, replaced } from './conflict-words.ts';
import type { Device } from './device.svelte.ts';
import { type Toast, type ToastItem, toasts } from './toasts.svelte.ts';

/** The engine tells of a conflict in the tab that syncs, which need not be the one that the person looks at. */
const tabs = new BroadcastChannel('mana-demo-conflicts');

/** A conflict on its way to the other tabs, and whose it is. */
interface Heard {
  readonly device: string;
  readonly user: string | undefined;
  readonly conflict: Conflict;
}

interface Told {
  readonly conflict: Conflict;
  readonly words: Replaced;
}

export class Conflicts {
  readonly #device: Device;
  #engine: Engine | null = null;
  /** What was lost and is neither restored nor dismissed, by record and field, the newest last. */
  readonly #lost = new Map<string, Conflict>();
  /** The message that tells of it. */
  #message: number | null = null;
  #looking: Promise<void> = Promise.resolve();
  readonly #restoring = new Set<Conflict>();

  constructor(device: Device) {
    this.#device = device;
    tabs.addEventListener('message', ({ data }: MessageEvent<Heard>) => {
      if (this.#engine && data.device === device.id && data.user === device.user?.id) this.take([data.conflict]);
    });
  }

  /** What is told of now. */
  get list(): readonly Conflict[] {
    return [...this.#lost.values()];
  }

  /** Tells of the conflicts of an engine while it is open. */
  follow(engine: Engine): void {
    this.#engine = engine;
    engine.conflicts.subscribe((conflict) => {
      this.take([conflict]);
      const heard: Heard = { device: this.#device.id, user: this.#device.user?.id, conflict };
      tabs.postMessage(heard);
    });
    // What is shown instead may be written again, here or elsewhere, or be locked.
    engine.on('change', (changes) => {
      const isMeant = ({ table, id }: Conflict) => changes.some((one) => one.table === table && one.ids.includes(id));
      if (this.list.some(isMeant)) void this.#look();
    });
    engine.vault.state.subscribe(() => void this.#look());
  }

  /** Tells of these, too. A later one about the same field stands for the earlier. */
  take(conflicts: readonly Conflict[]): void {
    for (const conflict of conflicts) {
      this.#lost.delete(keyOf(conflict));
      this.#lost.set(keyOf(conflict), conflict);
    }
    void this.#look();
  }

  reset(): void {
    this.#engine = null;
    this.#lost.clear();
    this.#tell([]);
  }

  /** Writes what was lost again. Where that fails, it is said why, and the offer stays. */
  async #restore(conflict: Conflict): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.#restoring.has(conflict)) return;
    this.#restoring.add(conflict);
    // When a task was ticked off belongs to whether it was.
    const time = conflict.field === 'state' && this.#lost.get(keyOf({ ...conflict, field: 'doneAt' }));
    const all = time ? [conflict, time] : [conflict];
    const isDone = await this.#device.save('Restoring', async () => {
      for (const one of all) await engine.conflicts.restore(one);
    });
    this.#restoring.delete(conflict);
    if (isDone) this.#forget(all);
    await this.#look();
  }

  #forget(conflicts: readonly Conflict[]): void {
    for (const conflict of conflicts) {
      if (this.#lost.get(keyOf(conflict)) === conflict) this.#lost.delete(keyOf(conflict));
    }
  }

  /** Puts what is told into words anew, after a look that is under way. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(() =>
      this.#device.attempt('Looking for changes that were replaced', () => this.#read()),
    );
    return this.#looking;
  }

  async #read(): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    const conflicts = this.list.filter(isTold);
    const words = await Promise.all(conflicts.map((one) => readWords(engine, one, this.#device.user?.id)));
    if (this.#engine !== engine) return;
    this.#forget(conflicts.filter((_, at) => words[at] === null));
    const told = conflicts.map((conflict, at) => ({ conflict, words: words[at] }));
    // What was dismissed meanwhile does not come back.
    const isLost = (one: (typeof told)[number]): one is Told => !!one.words && this.list.includes(one.conflict);
    this.#tell(told.filter(isLost));
  }

  /** One message for all of them; of nothing there is none. */
  #tell(told: readonly Told[]): void {
    const message = this.#message;
    if (told.length === 0) {
      this.#message = null;
      if (message !== null) toasts.dismiss(message);
      return;
    }
    const items = told.map((one) => this.#item(one));
    const [only] = items;
    const one = items.length === 1 && only ? only : { text: `${replaced(items.length)}.`, items };
    const toast: Omit<Toast, 'id'> = { kind: 'info', ...one, stays: true, ondismiss: () => this.#dismissed() };
    if (message === null) this.#message = toasts.show(toast);
    else toasts.update(message, toast);
  }

  #item({ conflict, words: { what, text, advice } }: Told): ToastItem {
    const run = () => void this.#restore(conflict);
    return { key: keyOf(conflict), text, advice, action: { label: 'Restore mine', about: what, run, stays: true } };
  }

  #dismissed(): void {
    if (this.#message === null) return;
    this.#message = null;
    this.#lost.clear();
  }
}

function keyOf({ table, id, field }: Conflict): string {
  return JSON.stringify([table, id, field]);
}

/** Nothing when the engine was closed meanwhile: that is told elsewhere. */
async function readWords(engine: Engine, conflict: Conflict, reader?: string): Promise<Replaced | null | undefined> {
  try {
    return await inWords(engine, conflict, reader);
  } catch (error) {
    if (error instanceof ManaError && error.code === 'closed') return undefined;
    throw error;
  }
}
