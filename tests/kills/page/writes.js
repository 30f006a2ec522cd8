// What each write of the workload does: the same for the same seed and number, so that the test knows it unheard.
//
// Every write puts its number into each record it touches, so that a record shows which write it saw last.
import { randomOf } from '../../support/page/random.js';

const ids = {
  tasks: (random) => `t${random.between(0, 119)}`,
  notes: (random) => `n${random.between(0, 59)}`,
  lists: (random) => `l${random.between(0, 9)}`,
};
export const tables = Object.keys(ids);

/**
 * Write number `n`: which call it is, and its effects, `[table, id, 'put' | 'update' | 'delete']` each.
 *
 * The call `several` is a transaction over all tables, the local one too.
 */
export function writeOf(seed, n) {
  const random = randomOf(seed ^ Math.imul(n, 0x9e3779b1));
  const table = random.pick(tables);
  const id = ids[table](random);
  const kind = random.between(0, 19);
  if (kind < 2) return { call: 'add', effects: [[table, `x${n}`, 'put']] };
  if (kind < 8) return { call: 'update', effects: [[table, id, 'update']] };
  if (kind < 13) return { call: 'put', effects: [[table, id, 'put']] };
  if (kind < 15) return { call: 'delete', effects: [[table, id, 'delete']] };
  if (kind < 17) return { call: 'bulkPut', effects: many(table, random).map((id) => [table, id, 'put']) };
  const effects = tables.map((table) => [table, ids[table](random), random.oneIn(4) ? 'delete' : 'put']);
  return { call: 'several', effects: [...effects, ['drafts', 'd', 'put']] };
}

function many(table, random) {
  return [...new Set(Array.from({ length: random.between(2, 60) }, () => ids[table](random)))];
}
