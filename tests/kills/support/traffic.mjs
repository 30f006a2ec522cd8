// What the other device writes: records of its own, and a field of the records that the killed device writes.
import { setTimeout as pause } from 'node:timers/promises';
import { keyOf } from '../../support/phone.mjs';

/** The server takes so many changes in one push. */
const most = 1000;
/** Records of the other device's own, per table. */
const own = 100;

/** Makes `count` changes. */
export async function makeBacklog(phone, random, count) {
  for (let left = count; left > 0; left -= most) {
    await phone.push(changes(phone, random, Math.min(left, most)));
    await phone.pull();
  }
}

/** Writes now and then until `signal` says stop. */
export async function keepWriting(phone, random, signal) {
  while (!signal.aborted) {
    await phone.push(changes(phone, random, random.between(1, 8)));
    await pause(random.between(5, 40));
  }
}

function changes(phone, random, count) {
  const known = [...phone.records.keys()].map((key) => key.split('/'));
  const made = new Set();
  return Array.from({ length: count }, (_, at) => {
    const values = { shared: `phone ${at} ${random.between(0, 999_999)}` };
    if (known.length > 0 && random.oneIn(2)) return phone.change('update', ...random.pick(known), values);
    const [table, id] = [random.pick(phone.tables), `o${random.between(1, own)}`];
    const isNew = !phone.records.has(keyOf(table, id)) && !made.has(keyOf(table, id));
    made.add(keyOf(table, id));
    return phone.change(isNew ? 'insert' : 'update', table, id, values);
  });
}
