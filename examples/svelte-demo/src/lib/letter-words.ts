// A dead letter in the words of this app: what was changed, why the server refused it, and what each way out does.
import type { DeadLetter, Engine, RefusedChange } from '@mana/sync-engine';
import { type Task, titleOf } from './task.ts';

/** A change that the server refused for good, as a person reads it. */
export interface Letter {
  readonly id: string;
  /** Such as `Changed “Buy bread”`. */
  readonly what: string;
  /** Which fields, such as `Title, Notes`; empty where `what` says it all. */
  readonly fields: string;
  readonly why: Why;
  /** The reason as it was told to this device. */
  readonly message: string;
  readonly code: string;
  readonly at: Date;
  /** How many later changes wait behind it. */
  readonly waiting: number;
  readonly retryable: boolean;
  /** What discarding it does. */
  readonly discarding: string;
  /** The records that it changes: a letter that is tried again comes back under another id. */
  readonly records: string;
}

/** Why a change was refused, and what the person can do about that. */
export interface Why {
  readonly text: string;
  readonly advice: string;
}

/** For each code of docs/errors.md under "Rejections", then for values that could not be sent at all. */
const reasons: Readonly<Record<string, Why>> = {
  invalid_change: { text: 'The server could not read it.', advice: 'Discard it and write it anew.' },
  not_a_member: {
    text: 'You are not in this list any more.',
    advice: 'It is sent by itself when you are invited again.',
  },
  read_only: { text: 'You may only read this list.', advice: 'Ask its owner to let you write, then try again.' },
  space_mismatch: { text: 'The task is in another list.', advice: 'Discard it and look for the task there.' },
  not_the_author: {
    text: 'The task is somebody else’s.',
    advice: 'Only who made it may change this. Ask them, or discard it.',
  },
  too_large: { text: 'It is too large to be sent.', advice: 'Discard it and write less at a time.' },
  event_id_reused: { text: 'The server took it for another change.', advice: 'Try again.' },
  visibility_mismatch: { text: 'Who sees the task was changed meanwhile.', advice: 'Try again.' },
  clock_ahead: { text: 'The clock of this device was wrong.', advice: 'Correct its date and time, then try again.' },
  schema_too_new: { text: 'This app is newer than the server.', advice: 'Try again later.' },
  value_not_syncable: { text: 'A value in it cannot be sent.', advice: '' },
  unknown_table: { text: 'It belongs to a part of the app that is gone.', advice: '' },
  malformed: { text: 'It is damaged and cannot be sent.', advice: '' },
};

const unknownReason: Why = { text: 'The server did not accept it.', advice: 'Try again, or discard it.' };

/** What people call the fields; the others are the engine's or the app's own. */
const fieldNames: Readonly<Record<string, string>> = {
  title: 'Title',
  notes: 'Notes',
  dueDate: 'Due date',
  project: 'Project',
  state: 'Done',
  visibility: 'Who sees it',
};

type Verb = 'added' | 'changed' | 'deleted' | 'moved' | 'ticked' | 'unticked';

const verbs: Readonly<Record<Verb, string>> = {
  added: 'Added',
  changed: 'Changed',
  deleted: 'Deleted',
  moved: 'Moved',
  ticked: 'Ticked off',
  unticked: 'Opened again',
};

/** Puts a letter into words. */
export async function inWords(engine: Engine, letter: DeadLetter): Promise<Letter> {
  const { changes, code, message, retryable, waiting } = letter;
  // Of a move the insert stands for the task as it is now.
  const main = changes.find(({ op }) => op === 'insert') ?? changes[0];
  const task = main && (await taskOf(engine, main));
  const verb = verbOf(changes, main, task);
  return {
    ...{ id: letter.id, code, message, retryable, waiting },
    what: `${verbs[verb]} ${nameOf(main, task)}`,
    fields: verb === 'changed' ? fieldsOf(changes) : '',
    why: reasons[code] ?? unknownReason,
    at: new Date(letter.at),
    discarding: discardingOf(letter, verb),
    records: JSON.stringify(changes.map(({ table, id }) => [table, id])),
  };
}

/** `1 change was not accepted`. */
export function notAccepted(count: number): string {
  return count === 1 ? '1 change was not accepted' : `${count.toLocaleString('en-GB')} changes were not accepted`;
}

function verbOf(changes: readonly RefusedChange[], main?: RefusedChange, task?: Partial<Task>): Verb {
  const ops = new Set(changes.map(({ op }) => op));
  if (ops.has('insert')) return ops.has('delete') ? 'moved' : 'added';
  if (ops.has('delete')) return 'deleted';
  const ticks = main?.fields.includes('state') && fieldsOf(changes) === fieldNames.state;
  if (!ticks) return 'changed';
  return task?.state === 'done' ? 'ticked' : 'unticked';
}

function fieldsOf(changes: readonly RefusedChange[]): string {
  const written = new Set(changes.flatMap(({ fields }) => fields));
  const named = Object.keys(fieldNames).filter((field) => written.has(field));
  return named.map((field) => fieldNames[field]).join(', ');
}

function nameOf(main?: RefusedChange, task?: Partial<Task>): string {
  if (main?.table === 'settings') return 'the settings';
  if (main?.table !== 'tasks') return 'something of an older app';
  return task?.title ? `“${titleOf({ title: task.title })}”` : 'a task';
}

/** The task of a change; of a list that the person has left, where no query finds it, as it is stored. */
async function taskOf(engine: Engine, { table, id }: RefusedChange): Promise<Partial<Task> | undefined> {
  if (table !== 'tasks') return undefined;
  const byId = engine.table<Task>('tasks').where(':id').equals(id);
  const [task] = await byId.acrossSpaces().includeDeleted().toArray();
  if (task) return task;
  const stored = (await engine.inspector.record(table, id)).record as Partial<Task> | null;
  return stored && !stored.title?.startsWith('enc:') ? stored : undefined;
}

function discardingOf({ retryable, waiting }: DeadLetter, verb: Verb): string {
  if (!retryable) return 'Only this notice goes. What is on this device stays as it is, and is not sent.';
  const later = waiting === 1 ? 'The later change is' : `The ${waiting} later changes are`;
  if (verb === 'added') {
    return `The new task will be gone${waiting > 0 ? ', with everything written in it since' : ''}.`;
  }
  const back = verb === 'deleted' ? 'The task comes back.' : 'The task goes back to how it was.';
  return waiting > 0 ? `${back} ${later} sent without it.` : back;
}
