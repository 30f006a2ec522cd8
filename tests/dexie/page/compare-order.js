// Runs united queries with and without an order: the order changes how rows come, and never which.
import { closePair, fill, isRefusal, openPair, queryOf, shown, text } from './pair.js';
import { randomChain, randomWorld, worldsFrom } from './random.js';

const orders = ['a', 'b', 'c', 'd', 'n.x', 'u', ':id'];

/** Runs `count` chains with `or` from a seed on; gives the differences, each with what repeats it. */
window.compareOrder = async (seed, count) => {
  const differences = [];
  for (const { seed: worldSeed, random, runs } of worldsFrom(seed, count)) {
    const world = randomWorld(random);
    const pair = await openPair(world);
    await fill(pair, world.rows);
    for (let i = 0; i < runs; i += 1) {
      const steps = unitedSteps(random, world);
      const order = { by: random.pick(orders), reverse: random.chance(0.4), page: random.chance(0.4) };
      const found = await both(pair.tables[1], steps, order);
      if (found.expected !== found.ordered || found.expected !== found.live)
        differences.push({ seed: worldSeed, chain: text({ steps, order }), ...found });
    }
    await closePair(pair);
  }
  return differences;
};

function unitedSteps(random, world) {
  for (;;) {
    const { steps } = randomChain(random, world);
    if (!steps.some(({ or }) => or)) continue;
    // One that reads all, so that a page after it has something to choose from.
    const first = world.indexes.includes('a') ? { where: 'a', call: 'aboveOrEqual', args: [-1] } : steps[0];
    return random.chance(0.5) ? [first, ...steps.slice(1)] : steps;
  }
}

async function both(table, steps, { by, reverse, page }) {
  const query = queryOf(table, structuredClone(steps));
  try {
    const [rows, keys] = [await query.toArray(), await query.primaryKeys()];
    const keyed = rows.map((row, at) => ({ row, primary: keys[at], key: by === ':id' ? keys[at] : valueAt(row, by) }));
    const sorted = keyed
      .filter(({ key }) => isKey(key))
      .sort((a, b) => indexedDB.cmp(a.key, b.key) || indexedDB.cmp(a.primary, b.primary));
    if (reverse) sorted.reverse();
    const paged = page ? sorted.slice(1, 5) : sorted;
    const ordered = windowed(query.orderBy(by), reverse, page);
    return {
      expected: shown(paged.map(({ row }) => row)),
      ordered: shown(await ordered.toArray()),
      live: shown(await firstOf(ordered.live())),
    };
  } catch (error) {
    const said = isRefusal(table, error) ? 'refused' : error.stack;
    return { expected: 'refused', ordered: said, live: said };
  }
}

function windowed(query, reverse, page) {
  const turned = reverse ? query.reverse() : query;
  return page ? turned.offset(1).limit(4) : turned;
}

function firstOf(handle) {
  return new Promise((resolve, reject) => {
    const stop = handle.subscribe((rows) => {
      if (handle.error) reject(handle.error);
      if (rows === undefined && !handle.error) return;
      resolve(rows);
      queueMicrotask(() => stop());
    });
  });
}

function valueAt(row, path) {
  return path.split('.').reduce((value, name) => value?.[name], row);
}

function isKey(value) {
  try {
    return indexedDB.cmp(value, value) === 0;
  } catch {
    return false;
  }
}
