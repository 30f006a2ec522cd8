// Reads what the inspector shows.
import type { Engine } from '@mana/sync-engine';

/** How many entries of the change log are shown. */
const logLimit = 100;

export interface Inspected {
  readonly record: object | null;
  readonly log: readonly object[];
}

/** A task's record and log entries, or the newest entries of the whole log when no task is chosen. */
export async function inspect(engine: Engine, taskId: string | null): Promise<Inspected> {
  if (taskId) return engine.inspector.record('tasks', taskId);
  return { record: null, log: await engine.inspector.log(logLimit) };
}

export interface FieldRow {
  readonly name: string;
  readonly value: unknown;
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

/** One row per visible field of a stored record, with its metadata. */
export function fieldRows(record: object): FieldRow[] {
  const { __fieldMeta = {}, ...fields } = record as { __fieldMeta?: Record<string, FieldMeta> };
  return Object.entries(fields)
    .filter(([name]) => !name.startsWith('_'))
    .map(([name, value]) => {
      const { at = '', actor, origin } = __fieldMeta[name] ?? {};
      const by = [actor?.displayName ?? actor?.principalId, origin].filter(Boolean).join(', ');
      return { name, value, at, by };
    });
}

/** A value as text. */
export function format(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? 'undefined';
}
