// The tables of the app, how they sync, and what a new version does to the data of the one before.
import type { AppOptions, EncryptionOptions, RecoveryWrapped, Schema, Transaction } from '@mana/sync-engine';
import type { Sort } from './queries.ts';
import type { Task } from './task.ts';

/** What follows the user to all devices: one record says how the list is shown, one what the recovery code opens. */
export interface Settings {
  readonly id: string;
  readonly view?: { readonly sort?: Sort; readonly compact?: boolean };
  readonly key?: RecoveryWrapped;
  /** Whether the person has the recovery code. */
  readonly codeKept?: boolean;
}

/** A line that was typed and not added yet; stays on this device. */
export interface LineDraft {
  readonly id: string;
  readonly line: string;
  /** A table that does not sync keeps whatever IndexedDB keeps: Dates, Maps, Blobs. */
  readonly typedAt: Date;
}

/** A note of the notebook, an app of its own beside the tasks. */
export interface Note {
  readonly id: string;
  readonly text: string;
}

/** A task of version 1, which had no index: neither a boolean nor null is a key. */
export interface TaskOfVersion1 extends Omit<Task, 'state' | 'dueDate'> {
  readonly done: boolean;
  readonly dueDate: string | null;
}

export const version1: Schema = { version: 1, stores: { tasks: 'id' } };

export const schema: Schema = {
  version: 3,
  stores: {
    tasks: 'id, state, [project+state], [state+dueDate], [state+doneAt], [project+state+dueDate]',
    settings: 'id',
    drafts: 'id',
    notes: 'id',
  },
  upgrades: { 2: toVersion2 },
};

export const apps: Readonly<Record<string, AppOptions>> = {
  todo: { tables: { tasks: {}, settings: { scope: 'user' } } },
  // Few people open it: its notes come to a device when that is first done there.
  notebook: { sync: 'lazy', tables: { notes: {} } },
};

/** What people write is theirs. Days, projects and states are not sealed: the list is read by indexes over them. */
export const encryption: EncryptionOptions = { fields: { tasks: ['title', 'notes'], notes: ['text'] }, format: 2 };

/** Every device does this by itself, so it comes to the same from the same task. */
async function toVersion2(tx: Transaction): Promise<void> {
  const tasks = tx.table<Task & TaskOfVersion1>('tasks').acrossSpaces();
  await tasks.modify((task, context) => {
    const { done, ...kept } = task;
    context.value = { ...kept, state: done ? 'done' : 'open', dueDate: task.dueDate ?? '' } as typeof task;
  });
}
