// Writes of every kind, at a high rate with random pauses; each is told before it is made and when it is saved.
import { randomOf } from '../../support/page/random.js';
import { tables, writeOf } from './writes.js';

/** At most so many writes are under way. */
const most = 6;
const padding = 'a value of some length, so that pages and batches have a size. '.repeat(3);

/** Writes until `signal` says stop. `first` is the number of the first write; `tell` reaches the test. */
export async function write(engine, { seed, first, signal }, tell) {
  const random = randomOf(seed);
  const underWay = new Set();
  for (let n = first; !signal.aborted; n += 1) {
    tell({ started: n });
    const plan = writeOf(seed, n);
    const saved = follow(make(engine, plan, n), plan, n, tell).finally(() => underWay.delete(saved));
    underWay.add(saved);
    if (underWay.size >= most) await Promise.race(underWay);
    const pause = random.oneIn(50) ? random.between(160, 300) : random.oneIn(6) ? random.between(1, 12) : 0;
    // Even without a pause in a later turn: of calls of one turn, transactions begin before single writes.
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  await Promise.all(underWay);
}

async function follow(written, plan, n, tell) {
  const failed = (error) => tell({ failed: n, code: error.code, message: error.message });
  try {
    const result = await written;
    // An update of a record that is not there changes nothing.
    tell({ saved: n, nothing: result === 0 });
  } catch (error) {
    failed(error);
    return;
  }
  // Not for all: whoever waits for `synced` reads the log.
  if (n % 3 === 0 && plan.effects.some(putsOnSynced)) {
    written.synced.then(
      () => tell({ synced: n }),
      (error) => error.code !== 'closed' && failed(error),
    );
  }
}

/** A put of a new number is always logged; an update or a delete may find nothing to do, and is synced at once. */
const putsOnSynced = ([table, , kind]) => kind === 'put' && table !== 'drafts';

function make(engine, { call, effects }, n) {
  const record = (id) => ({ id, n, title: `write ${n}`, text: padding });
  const [[table, id]] = effects;
  const on = engine.table(table);
  if (call === 'update') return on.update(id, { n, title: `write ${n}` });
  if (call === 'delete') return on.delete(id);
  if (call === 'bulkPut') return on.bulkPut(effects.map(([, id]) => record(id)));
  if (call !== 'several') return on[call](record(id));
  return engine.transaction('rw', [...tables, 'drafts'], async (tx) => {
    for (const [table, id, kind] of effects) {
      await (kind === 'put' ? tx.table(table).put(record(id)) : tx.table(table).delete(id));
    }
  });
}
