// What a tab writes: things of its own, whose fate is known, and things that everybody writes at once.

export const tables = ['tasks', 'notes'];
/** A record in which each tab counts its writes, in a field of its own. */
export const board = 'board';
/** How many records all tabs change at once, per table. */
const shared = 6;

const oneIn = (times) => Math.random() * times < 1;
const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

/** Records of this tab that were saved and not deleted. */
const mine = [];

/** Makes write number `n`; gives what it was when it is saved. What may be gone even if nobody hears of it is told before. */
export async function write(engine, tab, n, tell) {
  if (oneIn(8) && mine.length > 0) return deleteOwn(engine, tell);
  if (oneIn(8)) return disturb(engine);
  if (oneIn(2)) return contest(engine, `${tab}:${n}`);
  return addOwn(engine, tab, n);
}

/** A record and the number on the board, in one transaction: both or none. */
async function addOwn(engine, tab, n) {
  const id = `${tab}-${n}`;
  await engine.transaction('rw', ['tasks'], async (tx) => {
    await tx.table('tasks').add({ id, n, secret: `the secret of ${id}` });
    await tx.table('tasks').upsert(board, { [tab]: n });
  });
  mine.push(id);
  return { added: id };
}

async function deleteOwn(engine, tell) {
  const [id] = mine.splice(Math.floor(Math.random() * mine.length), 1);
  tell({ deleting: id });
  await engine.table('tasks').delete(id);
  return { deleted: id };
}

/** A value that nobody else writes, into a field that everybody writes. */
async function contest(engine, value) {
  const [table, id] = [anyOf(tables), `shared${Math.floor(Math.random() * shared)}`];
  await engine.table(table).upsert(id, { title: value });
  return { contested: `${table}/${id}`, value };
}

/** Deletes and puts records back that everybody deletes and puts back: only that all come to the same counts here. */
async function disturb(engine) {
  const id = `fragile${Math.floor(Math.random() * shared)}`;
  const notes = engine.table('notes');
  if (oneIn(2)) await notes.delete(id);
  else await notes.put({ id, title: `again ${Math.random()}` });
  return { disturbed: id };
}
