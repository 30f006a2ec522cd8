// What is being typed into a task, until it is saved. Fields that nobody types into follow the database.
import type { Device } from './device.svelte.ts';
import type { Task } from './task.ts';

/** Milliseconds after the last key before a draft is saved. */
const pause = 400;

type Editable = Pick<Task, 'title' | 'notes' | 'dueDate' | 'project'>;

export class Draft {
  readonly #device: Device;
  readonly #task: () => Task;
  #typed = $state.raw<Partial<Editable>>({});
  #unsaved = false;
  /** The row that the last save wrote over: until a newer one arrives, the typed values stay on screen. */
  #writtenOver: Task | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(device: Device, task: () => Task) {
    this.#device = device;
    this.#task = task;
  }

  get fields(): Editable {
    return { ...this.#task(), ...this.#typed };
  }

  /** Takes what was typed and saves it after a short pause. */
  set(changes: Partial<Editable>): void {
    this.#typed = { ...this.#typed, ...changes };
    this.#markUnsaved(true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), pause);
  }

  /** Saves at once what is not saved yet. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#unsaved) return;
    const { id } = this.#task();
    // Only the fields that were typed: what another device does to the others stays.
    const changes = tidy(this.#typed);
    this.#writtenOver = this.#task();
    this.#markUnsaved(false);
    const saved = await this.#device.save('Saving', () => this.#device.tasks.update(id, changes));
    if (saved) this.settle();
    else this.#markUnsaved(true);
  }

  /** Lets go of typed values that something newer has replaced. */
  settle(): void {
    const task = this.#task();
    if (this.#unsaved || task === this.#writtenOver) return;
    const kept = Object.entries(tidy(this.#typed)).filter(([field, value]) => task[field as keyof Editable] === value);
    this.#typed = Object.fromEntries(kept.map(([field]) => [field, this.#typed[field as keyof Editable]]));
  }

  /** Saves what is left; nothing can be typed any more. */
  close(): void {
    void this.save().then(() => this.#markUnsaved(false));
  }

  #markUnsaved(unsaved: boolean): void {
    if (unsaved !== this.#unsaved) this.#device.countDraft(unsaved ? 1 : -1);
    this.#unsaved = unsaved;
  }
}

/** As it is stored: without blanks around names. An empty title is not worth saving, the last good one stays. */
function tidy({ title, project, ...others }: Partial<Editable>): Partial<Editable> {
  return {
    ...others,
    ...(title?.trim() && { title: title.trim() }),
    ...(project !== undefined && { project: project.trim() }),
  };
}
