// What must be true of a device's storage, whatever was killed when. Each check gives the list of what is wrong.
import { editOf, editsIn, keyOf } from '../../support/phone.mjs';
import { recordsIn } from '../../support/replicas.mjs';

/**
 * No record without its log entry, nor the reverse: every stamp in a record is on the server or in the change log, and
 * every logged edit is in its record, unless a greater one is.
 */
export function tornStates(rows, phone) {
  const logged = new Set();
  const wrong = [];
  const stamps = new Map(
    recordsIn(rows, phone.tables).map(({ table, row }) => [keyOf(table, row.id), row.__fieldMeta]),
  );
  for (const { table, id, field, at } of loggedEdits(rows, phone.tables)) {
    logged.add(editOf(table, id, field, at));
    const stored = stamps.get(keyOf(table, id))?.[field]?.at;
    // Of the author the earliest counts.
    if (!(stored >= at || field === 'authorId'))
      wrong.push(`logged and not written: ${editOf(table, id, field, at)}, stored ${stored}`);
  }
  for (const { table, row } of recordsIn(rows, phone.tables)) {
    for (const [field, { at }] of Object.entries(row.__fieldMeta)) {
      const edit = editOf(table, row.id, field, at);
      const known = logged.has(edit) || phone.edits.has(edit) || field === 'authorId';
      if (!known) wrong.push(`written and not logged: ${edit}`);
    }
  }
  return wrong;
}

/** The identity that was made together with the database. */
export function installOf(rows) {
  return rows?._engine.find((row) => row.kind === 'install')?.id;
}

/** What the log says of these tables; what the engine logs of its own, such as keys, is not in them. */
function loggedEdits(rows, tables) {
  return rows._changeLog.flatMap((row) =>
    row.changes
      .filter(({ table }) => tables.includes(table))
      .flatMap((change) =>
        editsIn(change, row.at).map(([field, { at }]) => ({ table: change.table, id: change.id, field, at })),
      ),
  );
}
