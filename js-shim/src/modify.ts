/** `modify` and `delete` of queries: the matching rows are read and written in one transaction. */

import type { Access } from './access.js';
import { equal } from './equality.js';
import { invalidArgument, ManaError, readArgument } from './errors.js';
import { keyOfRow, storedRow, type TableInfo } from './fields.js';
import { type Outcome, writePromise } from './outcome.js';
import type { RawWriteKind } from './raw.js';
import type { Write } from './types.js';
import { sealed } from './vault.js';

type Row = Record<string, unknown>;
type ReadRows = (access: Access) => Promise<object[]>;

/** What a function given to `modify` gets as its second argument and as `this`. */
interface Context {
  value?: Row | null;
  readonly primKey: unknown;
}

/** Changes the rows that `read` finds; gives how many it found. */
export function modifyRows(access: Access, table: TableInfo, read: ReadRows, change: unknown): Write<number> {
  return overRows(access, table, read, (rows) => plan(table, rows, change));
}

/** Deletes the rows that `read` finds; gives how many it found. */
export function deleteRows(access: Access, table: TableInfo, read: ReadRows): Write<number> {
  return overRows(access, table, read, (rows) => ({ updates: [], deletes: rows.map((row) => keyOfRow(table, row)) }));
}

interface Plan {
  readonly updates: [unknown, Row][];
  readonly deletes: unknown[];
}

function overRows(access: Access, table: TableInfo, read: ReadRows, make: (rows: Row[]) => Plan): Write<number> {
  const outcome = async (): Promise<Outcome<number>> => {
    const { value, whenSynced } = await access.atomically(table.name, async (inside) => {
      const rows = (await read(inside)) as Row[];
      const { updates, deletes } = make(rows);
      const refused = await written(inside, 'update', table, updates);
      return { count: rows.length, refused: refused ?? (await written(inside, 'delete', table, deletes)) };
    });
    // Only now: what was not refused is saved.
    if (value.refused) throw value.refused;
    return { value: value.count, whenSynced };
  };
  return writePromise(outcome());
}

/** Writes, and gives the error that names the refused rows. */
async function written(
  access: Access,
  kind: RawWriteKind,
  table: TableInfo,
  items: unknown[],
): Promise<ManaError | undefined> {
  if (items.length === 0) return undefined;
  try {
    await access.write(kind, table.name, items, true);
    return undefined;
  } catch (error) {
    if (error instanceof ManaError && error.code === 'bulk_failed') return error;
    throw error;
  }
}

function plan(table: TableInfo, rows: Row[], change: unknown): Plan {
  const made: Plan = { updates: [], deletes: [] };
  if (typeof change !== 'function') {
    const changes = readArgument(() => storedRow(table, change));
    for (const row of rows) made.updates.push([keyOfRow(table, row), changes]);
    return made;
  }
  for (const row of rows) {
    const key = keyOfRow(table, row);
    const draft = draftOf(row);
    const context: Context = { value: draft, primKey: key };
    if (noPromise(change.call(context, draft, context), 'modify') === false) continue;
    if (context.value === undefined || context.value === null) {
      made.deletes.push(key);
      continue;
    }
    const changes = readArgument(() => changesBetween(row, context.value as Row));
    if (Object.keys(changes).length > 0) made.updates.push([key, readArgument(() => storedRow(table, changes))]);
  }
  return made;
}

/** A copy of a row for an app's function to change. What stands for a sealed value is the same object in it. */
export function draftOf(row: Row): Row {
  const draft = structuredClone(row);
  for (const field of Object.keys(row)) if (row[field] === sealed) draft[field] = sealed;
  return draft;
}

/** The fields in which a changed copy differs from its row; `undefined` for those that are gone. */
export function changesBetween(row: Row, draft: Row): Row {
  const changes: Row = {};
  for (const field of Object.keys({ ...row, ...draft })) {
    if (!equal(row[field], draft[field])) changes[field] = draft[field];
  }
  return changes;
}

/** What the app's function answered; a promise would outlive the transaction. */
export function noPromise<V>(answer: V, call: string): V {
  if (answer instanceof Promise) {
    // It may well fail, too; the mistake is told once.
    answer.catch(() => {});
    throw invalidArgument(`The function given to ${call} must not be async.`);
  }
  return answer;
}
