/** `modify` and `delete` of queries: the matching rows are read and written in one transaction. */

import type { Access } from './access.js';
import { equal } from './equality.js';
import { invalidArgument, ManaError, namedAs, readArgument } from './errors.js';
import { keyOfRow, storedFields, type TableInfo } from './fields.js';
import { type Outcome, writePromise } from './outcome.js';
import type { RawWriteKind } from './raw.js';
import { type Refusal, refusalOf, requireNone } from './refusals.js';
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
  return overRows('modify', access, table, read, (rows, waits) => plan(table, rows, change, waits));
}

/** Deletes the rows that `read` finds; gives how many it found. */
export function deleteRows(access: Access, table: TableInfo, read: ReadRows): Write<number> {
  return overRows('delete', access, table, read, (rows) => ({
    kind: 'update',
    updates: [],
    deletes: rows.map((row, place) => [place, keyOfRow(table, row)]),
  }));
}

/** What is written of the row at a place of the query. */
type Planned<I> = [place: number, item: I];

interface Plan {
  /** By paths, as the app wrote them, or by the names of fields that a function changed. */
  readonly kind: 'update' | 'updateFields';
  readonly updates: Planned<[unknown, Row]>[];
  readonly deletes: Planned<unknown>[];
}

function overRows(
  call: 'modify' | 'delete',
  access: Access,
  table: TableInfo,
  read: ReadRows,
  make: (rows: Row[], waits: boolean) => Plan,
): Write<number> {
  const outcome = async (): Promise<Outcome<number>> => {
    const { value, whenSynced } = await access.atomically(table.name, async (inside, waits) => {
      const rows = (await read(inside)) as Row[];
      const { kind, updates, deletes } = make(rows, waits);
      const refused = await written(inside, kind, table, updates);
      return { count: rows.length, refused: [...refused, ...(await written(inside, 'delete', table, deletes))] };
    });
    // Only now: what was not refused is saved.
    requireNone(table.name, value.count, value.refused);
    return { value: value.count, whenSynced };
  };
  return writePromise(namedAs(`${table.name}.${call}`, outcome));
}

/** Writes, and gives the rows that were refused, by their places in the query. */
async function written(
  access: Access,
  kind: RawWriteKind,
  table: TableInfo,
  planned: Planned<unknown>[],
): Promise<Refusal[]> {
  if (planned.length === 0) return [];
  const items = planned.map(([, item]) => item);
  const error = await refusalOf(access.write(kind, table.name, items, true));
  const failures = (error?.details?.failures ?? []) as Refusal[];
  return failures.map((failure) => ({ ...failure, position: planned[failure.position]?.[0] as number }));
}

function plan(table: TableInfo, rows: Row[], change: unknown, waits: boolean): Plan {
  if (typeof change !== 'function') {
    const changes = readArgument(() => storedFields(table, change));
    return {
      kind: 'update',
      updates: rows.map((row, place) => [place, [keyOfRow(table, row), changes]]),
      deletes: [],
    };
  }
  const made: Plan = { kind: 'updateFields', updates: [], deletes: [] };
  for (const [place, row] of rows.entries()) {
    const key = keyOfRow(table, row);
    const draft = draftOf(row);
    const context: Context = { value: draft, primKey: key };
    if (noPromise(Reflect.apply(change, context, [draft, context]), 'modify') === false) continue;
    if (context.value === undefined || context.value === null) {
      made.deletes.push([place, key]);
      continue;
    }
    const changes = readArgument(() => storedFields(table, changesOf(table, row, draft, context.value)));
    if (waits) requireRead(row, changes);
    if (Object.keys(changes).length > 0) made.updates.push([place, [key, changes]]);
  }
  return made;
}

/** Fields of records that sync which another object in a record's place need not name. */
const keptByItself = ['id', 'spaceId', 'userId', 'authorId', 'visibility'];

function changesOf(table: TableInfo, row: Row, draft: Row, value: unknown): Row {
  const after = value === draft ? draft : storedFields(table, value);
  const changes = changesBetween(row, after);
  if (value === draft || !table.synced) return changes;
  for (const field of keptByItself) if (!Object.hasOwn(after, field)) delete changes[field];
  return changes;
}

/** A copy of a row for an app's function to change. What stands for a sealed value is the same object in it. */
export function draftOf(row: Row): Row {
  const draft = structuredClone(row);
  for (const field of Object.keys(row)) if (row[field] === sealed) draft[field] = sealed;
  return draft;
}

/**
 * Fails as a write without the key does where a function changed what it could not read. Whatever it made of that must not be
 * stored, even if the vault is unlocked by now.
 */
export function requireRead(row: Row, changes: object): void {
  const isUnread = (name: string) => row[name] === sealed || row[name.split('.', 1)[0] as string] === sealed;
  if (!Object.keys(changes).some(isUnread)) return;
  const text = 'The vault is locked, and a function changed what is sealed: unlock it first; nothing was written.';
  throw new ManaError('vault_locked', text);
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
  if (readArgument(() => answer instanceof Promise)) {
    // It may well fail, too; the mistake is told once.
    (answer as Promise<unknown>).catch(() => {});
    throw invalidArgument(`The function given to ${call} must not be async.`);
  }
  return answer;
}
