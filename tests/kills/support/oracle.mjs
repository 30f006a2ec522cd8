// What must be true of a device's storage, whatever was killed when. Each check gives the list of what is wrong.
import { editOf, editsIn, keyOf, syncedTables } from './phone.mjs';

/**
 * No record without its log entry, nor the reverse: every stamp in a record is on the server or in the change log, and
 * every logged edit is in its record, unless a greater one is.
 */
export function tornStates(rows, phone) {
  const logged = new Set();
  const wrong = [];
  const stamps = new Map(records(rows).map(({ table, row }) => [keyOf(table, row.id), row.__fieldMeta]));
  for (const { table, id, field, at } of loggedEdits(rows)) {
    logged.add(editOf(table, id, field, at));
    const stored = stamps.get(keyOf(table, id))?.[field]?.at;
    // Of the author the earliest counts.
    if (!(stored >= at || field === 'authorId'))
      wrong.push(`logged and not written: ${editOf(table, id, field, at)}, stored ${stored}`);
  }
  for (const { table, row } of records(rows)) {
    for (const [field, { at }] of Object.entries(row.__fieldMeta)) {
      const edit = editOf(table, row.id, field, at);
      const known = logged.has(edit) || phone.edits.has(edit) || field === 'authorId';
      if (!known) wrong.push(`written and not logged: ${edit}`);
    }
  }
  return wrong;
}

/** After syncing, with nothing left to send: device and server have the same fields with the same stamps and values. */
export function differences(rows, phone) {
  const here = new Map(records(rows).map(({ table, row }) => [keyOf(table, row.id), row]));
  const wrong = [...here.keys()].filter((key) => !phone.records.has(key)).map((key) => `not on the server: ${key}`);
  for (const [key, fields] of phone.records) {
    const row = here.get(key);
    if (!row) wrong.push(`not on the device: ${key}`);
    for (const [field, { value, at }] of row ? fields : []) {
      const same = row.__fieldMeta[field]?.at === at && (row[field] ?? null) === value;
      if (!same) wrong.push(`${key}.${field}: ${row.__fieldMeta[field]?.at} here, ${at} on the server`);
    }
  }
  return wrong;
}

/** How many changes wait in the log. */
export function unsent(rows) {
  return rows._changeLog.reduce((sum, row) => sum + row.changes.length, 0);
}

/** The identity that was made together with the database. */
export function installOf(rows) {
  return rows?._engine.find((row) => row.kind === 'install')?.id;
}

export function records(rows) {
  return syncedTables.flatMap((table) => rows[table].map((row) => ({ table, row })));
}

function loggedEdits(rows) {
  return rows._changeLog.flatMap((row) =>
    row.changes.flatMap((change) =>
      editsIn(change, row.at).map(([field, { at }]) => ({ table: change.table, id: change.id, field, at })),
    ),
  );
}
