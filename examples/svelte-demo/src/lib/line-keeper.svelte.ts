// Keeps the line that is being typed in a table that does not sync, until it becomes a task.
import type { Device } from './device.svelte.ts';
import type { LineDraft } from './schema.ts';
import type { NewTask, Task } from './task.ts';

/** Milliseconds after the last key before the line is kept. */
const pause = 300;
const draftId = 'quick-add';

export class LineKeeper {
  readonly #device: Device;
  #line: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the line on screen was typed, if that was before this visit. */
  since = $state('');

  constructor(device: Device) {
    this.#device = device;
  }

  /** The line of the last visit; empty when there is none. */
  async kept(): Promise<string> {
    // Without a draft one types a new line; nothing is lost that is not lost already.
    const draft = await this.#device.drafts.get(draftId).catch(() => undefined);
    if (!draft || this.#line !== null) return '';
    this.since = draft.typedAt.toLocaleTimeString('en-GB', { timeStyle: 'short' });
    return draft.line;
  }

  /** Keeps the line after a short pause. */
  keep(line: string): void {
    this.#line = line;
    this.since = '';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.save(), pause);
  }

  /** Keeps at once what is not kept yet. */
  save(): void {
    clearTimeout(this.#timer);
    const line = this.#line;
    const drafts = this.#device.engine?.table<LineDraft>('drafts');
    if (line === null || !drafts) return;
    this.#line = null;
    const write = () => (line ? drafts.put({ id: draftId, line, typedAt: new Date() }) : drafts.delete(draftId));
    void this.#device.save('Keeping the draft', write);
  }

  /** The task is there and the draft is gone, or neither. */
  addTask(task: NewTask): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#line = null;
    this.since = '';
    return this.#device.save('Adding the task', () =>
      this.#device.transaction(['tasks', 'drafts'], async (tx) => {
        await tx.table<Task>('tasks').add(task);
        await tx.table<LineDraft>('drafts').delete(draftId);
      }),
    );
  }

  /** Keeps what is left. */
  close(): void {
    this.save();
  }
}
