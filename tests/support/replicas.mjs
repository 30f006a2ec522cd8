// What a device holds beside what the server does, and what must be true of both.
import { keyOf } from './phone.mjs';

/** After syncing, with nothing left to send: device and server have the same fields with the same stamps and values. */
export function differences(rows, phone) {
  const here = new Map(recordsIn(rows, phone.tables).map(({ table, row }) => [keyOf(table, row.id), row]));
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

/** The records of these tables. */
export function recordsIn(rows, tables) {
  return tables.flatMap((table) => rows[table].map((row) => ({ table, row })));
}
