/** Changes of fields that need to know what is stored: by functions, and where rows may be no records. */

import type { Access } from './access.js';
import { readArgument } from './errors.js';
import { requireRecord, reviveAll, storedFields, type TableInfo } from './fields.js';
import { changesBetween, draftOf, noPromise, requireRead } from './modify.js';
import type { Outcome } from './outcome.js';
import type { RawCounted, RawWriteKind } from './raw.js';
import { refusalOf } from './refusals.js';

type Row = Record<string, unknown>;

/** A key, and what is changed in its row. */
export type Changed = [unknown, Row];

/** A function given to `update`. */
export type Edit = (row: Row) => unknown;

/** Changes fields in a table with keys beside its rows, where a value that is no record may stand. */
export async function changeRecords(
  access: Access,
  table: TableInfo,
  kind: RawWriteKind,
  items: Changed[],
  bulk: boolean,
): Promise<Outcome<RawCounted>> {
  const { value, whenSynced } = await access.atomically(table.name, async (inside) => {
    const keys = items.map(([key]) => key);
    for (const row of await inside.getMany(table.name, keys)) requireRecord(table, row);
    const written = inside.write(kind, table.name, items, bulk);
    return { refused: await refusalOf(written), written };
  });
  // Only now: what was not refused is saved.
  if (value.refused) throw value.refused;
  return { value: (await value.written).value, whenSynced };
}

/** Lets a function change a row; gives how many rows changed. */
export function editRecord(
  access: Access,
  table: TableInfo,
  readKey: () => unknown,
  edit: Edit,
): Promise<Outcome<number>> {
  return access.atomically(table.name, async (inside, waits) => {
    const key = readArgument(readKey);
    const [row] = reviveAll(table, await inside.getMany(table.name, [key]));
    requireRecord(table, row);
    if (row === undefined) return 0;
    let count = 0;
    for (const [kind, changes] of changesOf(row as Row, edit)) {
      if (waits) requireRead(row as Row, changes);
      const items = readArgument(() => [[key, storedFields(table, changes)]]);
      count = Math.max(count, (await inside.write(kind, table.name, items)).value.count);
    }
    return count;
  });
}

/** What an edit did to fields of its copy of the row, and what it answered with, which may name paths. */
function changesOf(row: Row, edit: Edit): [RawWriteKind, object][] {
  const draft = draftOf(row);
  const answer = noPromise(edit(draft), 'update');
  return readArgument(() => writesFor(row, draft, answer));
}

function writesFor(row: Row, draft: Row, answer: unknown): [RawWriteKind, object][] {
  const changes = changesBetween(row, draft);
  const answered = typeof answer === 'object' && answer !== null && answer !== draft ? answer : {};
  // Without dots, names are paths, and one write is enough.
  const areAlike = !Object.keys(changes).some((field) => field.includes('.'));
  const writes: [RawWriteKind, object][] = areAlike
    ? [['update', { ...changes, ...answered }]]
    : [
        ['updateFields', changes],
        ['update', answered],
      ];
  return writes.filter(([, one]) => Object.keys(one).length > 0);
}
