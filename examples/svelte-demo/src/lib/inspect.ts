// Reads what the inspector shows.
import type { Engine } from '@mana/sync-engine';
import type { Task } from './task.ts';
import type { Said } from './wire.svelte.ts';

/** How many entries of the change log are shown. */
const logLimit = 100;

export interface Inspected {
  /** As stored. */
  readonly record: object | null;
  /** As the app sees it. */
  readonly shown: object | null;
  readonly log: readonly object[];
}

/** A task's record and log entries, or the newest entries of the whole log when no task is chosen. */
export async function inspect(engine: Engine, taskId: string | null): Promise<Inspected> {
  if (taskId) {
    const [stored, shown] = await Promise.all([
      engine.inspector.record('tasks', taskId),
      engine.table<Task>('tasks').get(taskId),
    ]);
    return { ...stored, shown: shown ?? null };
  }
  return { record: null, shown: null, log: await engine.inspector.log(logLimit) };
}

export interface FieldRow {
  readonly name: string;
  /** As the app sees it; `Sealed` while it is locked. */
  readonly shown: unknown;
  /** As it is stored. */
  readonly value: unknown;
  /** As it was last sent or received, where that was since the page was opened. */
  readonly said: Said | undefined;
  /** The stamp of the last write; empty where the engine keeps none. */
  readonly at: string;
  /** Who wrote it and by which way it came. */
  readonly by: string;
}

interface FieldMeta {
  readonly at?: string;
  readonly origin?: string;
  readonly actor?: { readonly displayName?: string | null; readonly principalId?: string };
}

/** What people write stands first. */
const own: readonly string[] = ['title', 'notes', 'dueDate', 'project', 'state', 'doneAt'];

/** One row per visible field of a stored record, with its metadata. */
export function fieldRows(record: object, shown: object | null, said: ReadonlyMap<string, Said>): FieldRow[] {
  const { __fieldMeta = {}, ...fields } = record as { __fieldMeta?: Record<string, FieldMeta> };
  const names = [...own, ...Object.keys(fields).filter((name) => !own.includes(name) && !name.startsWith('_'))];
  return names
    .filter((name) => name in fields)
    .map((name) => [name, (fields as Record<string, unknown>)[name]] as const)
    .map(([name, value]) => {
      const { at = '', actor, origin } = __fieldMeta[name] ?? {};
      const by = [actor?.displayName ?? actor?.principalId, origin].filter(Boolean).join(', ');
      return { name, shown: (shown as Record<string, unknown> | null)?.[name], value, said: said.get(name), at, by };
    });
}

/** A value as text. */
export function format(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? 'undefined';
}
