// Writes of every kind, at a high rate with random pauses; each is told before it is made and when it is saved.
//
// Every write has a number and puts it into each record it touches, so that a record shows which write it saw last.
import { randomOf } from './random.js';

/** At most so many writes are under way. */
const MOST = 6;
const padding = 'a value of some length, so that pages and batches have a size. '.repeat(3);

const pick = {
  tasks: (random) => `t${random.between(0, 119)}`,
  notes: (random) => `n${random.between(0, 59)}`,
  lists: (random) => `l${random.between(0, 9)}`,
};
const tables = Object.keys(pick);

/** Writes until `signal` says stop. `first` is the number of the first write; `tell` reaches the test. */
export async function write(engine, { seed, first, signal }, tell) {
  const random = randomOf(seed);
  const underWay = new Set();
  for (let n = first; !signal.aborted; n += 1) {
    const { effects, run } = plan(engine, random, n);
    tell({ started: n, effects });
    const saved = follow(run(), { n, logs: effects.some(putsOnSynced) }, random, tell).finally(() =>
      underWay.delete(saved),
    );
    underWay.add(saved);
    if (underWay.size >= MOST) await Promise.race(underWay);
    const pause = random.oneIn(50) ? random.between(160, 300) : random.oneIn(6) ? random.between(1, 12) : 0;
    // Even without a pause in a later turn: of calls of one turn, transactions begin before single writes.
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  await Promise.all(underWay);
}

/** A put of a new number is always logged; an update or a delete may find nothing to do, and is synced at once. */
const putsOnSynced = ([table, , kind]) => kind === 'put' && table !== 'drafts';

async function follow(written, { n, logs }, random, tell) {
  try {
    const result = await written;
    // An update of a record that is not there changes nothing.
    tell({ saved: n, nothing: result === 0 });
  } catch (error) {
    tell({ failed: n, code: error.code, message: error.message });
    return;
  }
  // Not for all: whoever waits for `synced` reads the log.
  if (logs && random.oneIn(3)) {
    written.synced.then(
      () => tell({ synced: n }),
      (error) => error.code !== 'closed' && tell({ failed: n, code: error.code, message: error.message }),
    );
  }
}

/** One write: which records it touches how, and the call that makes it. */
function plan(engine, random, n) {
  const table = random.pick(tables);
  const id = pick[table](random);
  const record = (id) => ({ id, n, title: `write ${n}`, text: padding });
  const on = engine.table(table);
  const single = (kind, run) => ({ effects: [[table, id, kind]], run });
  const kind = random.between(0, 19);
  if (kind < 2) return { effects: [[table, `x${n}`, 'put']], run: () => on.add(record(`x${n}`)) };
  if (kind < 8) return single('update', () => on.update(id, { n, title: `write ${n}` }));
  if (kind < 13) return single('put', () => on.put(record(id)));
  if (kind < 15) return single('delete', () => on.delete(id));
  if (kind < 17) return bulk(on, table, random, record);
  return several(engine, random, record);
}

function bulk(on, table, random, record) {
  const ids = [...new Set(Array.from({ length: random.between(2, 60) }, () => pick[table](random)))];
  return { effects: ids.map((id) => [table, id, 'put']), run: () => on.bulkPut(ids.map(record)) };
}

/** A transaction over all tables, the local one too. */
function several(engine, random, record) {
  const effects = tables.map((table) => [table, pick[table](random), random.oneIn(4) ? 'delete' : 'put']);
  effects.push(['drafts', 'd', 'put']);
  const body = async (tx) => {
    for (const [table, id, kind] of effects) {
      await (kind === 'put' ? tx.table(table).put(record(id)) : tx.table(table).delete(id));
    }
  };
  return { effects, run: () => engine.transaction('rw', [...tables, 'drafts'], body) };
}
