// A conflict in the words of this app: what the person wrote, of which task, and whose value is shown instead.
import type { Conflict, Engine } from '@mana/sync-engine';
import { dayLabel } from './dates.ts';
import { titleOf } from './task.ts';
import { today } from './today.svelte.ts';

/** A value that was replaced, as a person reads it. */
export interface Replaced {
  /** Which field of which record, such as `notes of “Buy bread”`. */
  readonly what: string;
  /** What was lost. */
  readonly text: string;
  /** What is shown instead, and whose it is. */
  readonly advice: string;
}

/** What people call the fields that they write; of what the app and the engine keep beside them nobody is told. */
const fieldNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tasks: { title: 'title', notes: 'notes', dueDate: 'due date', project: 'project', state: 'state' },
  notes: { text: 'text' },
};

/** Fields whose values cannot be read while the row is locked. */
const sealedFields: readonly string[] = ['title', 'notes', 'text'];

/** How much of a value is shown, in characters: it has to be known again, not read. */
const shownLength = 40;

type Row = Readonly<Record<string, unknown>>;

/** Whether a conflict is about something that a person writes. */
export function isTold({ table, field }: Conflict): boolean {
  return fieldNames[table]?.[field] !== undefined;
}

/** Puts a conflict into words; null when what was lost is shown again. `reader` is the id of who reads them. */
export async function inWords(engine: Engine, conflict: Conflict, reader?: string): Promise<Replaced | null> {
  const { table, id, field, local } = conflict;
  const row = await rowOf(engine, table, id);
  // Nothing of what is sealed may be read over a lock, neither what was lost.
  const isLocked = row ? engine.isLocked(row) : engine.vault.state.current === 'locked';
  const isHidden = isLocked && sealedFields.includes(field);
  if (row && !isHidden && row[field] === local.value) return null;
  // What was lost while the vault was locked is told as null, and can be restored all the same once it is open.
  const isUnread = local.value === null && sealedFields.includes(field);
  const say = (value: unknown, hidden = isHidden) => (hidden ? '(locked)' : inQuotes(field, value));
  const name = fieldNames[table]?.[field] ?? field;
  const of = nameOf(table, row, isLocked);
  const mine = `your ${name} ${say(local.value, isHidden || isUnread)}`;
  const lost = `Replaced: ${mine}${field === 'title' && !isHidden ? '' : ` of ${of}`}.`;
  if (!row || row.deletedAt) return { what: `${name} of ${of}`, text: lost, advice: 'It was deleted.' };
  const writer = await writerOf(engine, conflict, reader);
  return { what: `${name} of ${of}`, text: lost, advice: `Shown now: ${say(row[field])}, by ${writer}.` };
}

/** `1 of your changes was replaced`. */
export function replaced(count: number): string {
  return `${count.toLocaleString('en-GB')} of your changes ${count === 1 ? 'was' : 'were'} replaced`;
}

async function rowOf(engine: Engine, table: string, id: string): Promise<Row | undefined> {
  const byId = engine.table<{ readonly id: string }>(table).where(':id').equals(id);
  const [row] = await byId.acrossSpaces().includeDeleted().toArray();
  return row as Row | undefined;
}

function nameOf(table: string, row: Row | undefined, isLocked: boolean): string {
  if (table === 'notes') return 'a note';
  if (isLocked) return 'a locked task';
  return row?.title ? `“${clipped(titleOf({ title: String(row.title) }))}”` : 'a task';
}

function inQuotes(field: string, value: unknown): string {
  if (value === '' || value === null || value === undefined) return '(none)';
  const text = field === 'dueDate' ? dayLabel(String(value), today.day) : String(value);
  return `“${clipped(text)}”`;
}

function clipped(text: string): string {
  const characters = [...text];
  return characters.length > shownLength ? `${characters.slice(0, shownLength).join('')}…` : text;
}

interface Written {
  readonly at?: string;
  readonly actor?: { readonly kind?: string; readonly principalId?: string; readonly displayName?: string | null };
}

/** Who wrote what is shown now: it may have been written again since. */
async function writerOf(engine: Engine, conflict: Conflict, reader?: string): Promise<string> {
  const { record } = await engine.inspector.record(conflict.table, conflict.id);
  const meta = (record as { __fieldMeta?: Record<string, Written> } | null)?.__fieldMeta?.[conflict.field];
  const { at, actor } = meta ?? conflict.incoming;
  if (actor?.kind === 'ai') return 'an assistant';
  if (actor?.kind === 'system') return 'the app';
  if (actor?.principalId !== reader) return actor?.displayName ?? actor?.principalId ?? 'somebody else';
  return at === conflict.incoming.at ? 'you on another device' : 'you';
}
