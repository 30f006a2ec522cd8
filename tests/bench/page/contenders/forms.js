// What the engine stores for a record and for its change, made by hand for the floors.

export const actor = { kind: 'user', principalId: 'u1' };
/** Most changes in a row of the log. */
const rowChanges = 200;
/** Fields whose writer is not kept: they never change. */
const unmarked = new Set(['id', 'spaceId']);

export function mark(at, origin) {
  return { at, actor, origin };
}

/** A record as it is stored on a synced table: every field carries the mark of the write, one object for all. */
export function storedRecord(record, shared) {
  const row = { ...record, authorId: 'u1', visibility: 'space', deletedAt: null, spaceId: '_personal:u1' };
  const meta = {};
  for (const name of Object.keys(row)) if (!unmarked.has(name)) meta[name] = shared;
  row.__fieldMeta = meta;
  row._updatedAtIndex = shared.at;
  return row;
}

/** The record with some fields written anew. */
export function editedRecord(row, fields, shared) {
  const meta = { ...row.__fieldMeta };
  for (const name of Object.keys(fields)) meta[name] = shared;
  return { ...row, ...fields, __fieldMeta: meta, _updatedAtIndex: shared.at };
}

export function insertChange({ id, ...data }) {
  const values = { ...data, authorId: 'u1', visibility: 'space', deletedAt: null };
  return { ...frame(id, 'insert'), data: values };
}

/** `stampOf` gives the stamp a field had. */
export function updateChange(row, fields, at, stampOf) {
  const changed = {};
  for (const [name, value] of Object.entries(fields)) {
    const prev = stampOf(name);
    changed[name] = { value, at, prev, before: { value: row[name], at: prev } };
  }
  return { ...frame(row.id, 'update'), fields: changed };
}

function frame(id, op) {
  return { eventId: crypto.randomUUID(), table: 'records', id, op, spaceId: '_personal:u1', visibility: 'space' };
}

/** Changes as rows of the log: what they share stands once. */
export function logRows(changes, at) {
  const shared = { userId: 'u1', appId: 'bench', schemaVersion: 1, clockEpoch: 'epoch', clockOffset: 0, at };
  const rows = [];
  for (let from = 0; from < changes.length; from += rowChanges) {
    rows.push({ ...shared, actor, origin: 'user', changes: changes.slice(from, from + rowChanges) });
  }
  return rows;
}

/** The fields of `next` that differ from those of `row`. */
export function difference(row, next) {
  const changed = {};
  for (const [name, value] of Object.entries(next)) {
    if (value !== row[name] && JSON.stringify(value) !== JSON.stringify(row[name])) changed[name] = value;
  }
  return changed;
}
