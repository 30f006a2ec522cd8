// Runs chains on Dexie and on the engine, and reports where they differ.
import { closePair, fill, isRefusal, openPair, queryOf, shown, text } from './pair.js';
import { randomChain, randomWorld, worldsFrom } from './random.js';

/** Runs `count` chains from a seed on; gives the differences, each with what repeats it. */
window.compare = async (seed, count) => {
  const differences = [];
  for (const { seed: worldSeed, random, runs } of worldsFrom(seed, count)) {
    const world = randomWorld(random);
    const pair = await openPair(world);
    await fill(pair, world.rows);
    for (let i = 0; i < runs; i += 1) {
      const chain = randomChain(random, world);
      const found = await both(pair, chain);
      if (found.same) continue;
      differences.push({ seed: worldSeed, ...(await shrunk(pair, world, chain)) });
      await fill(pair, world.rows);
    }
    await closePair(pair);
  }
  return differences;
};

async function both(pair, chain) {
  const [dexie, engine] = await Promise.all(pair.tables.map((table) => outcome(table, chain)));
  return { same: dexie === engine || dexie === unanswered, dexie, engine };
}

/** What Dexie does not answer, where the engine does. */
const unanswered = 'no answer of Dexie';

/** Going by the first fields of an index whose next one holds arrays, Dexie's `uniqueKeys` asks IndexedDB to go on to where it is. */
function isUnanswered(table, chain, error) {
  return 'db' in table && chain.end === 'uniqueKeys' && error.name === 'DataError';
}

/** What a chain gives, as a text; all failures are alike, as their words are each library's own. */
async function outcome(table, chain) {
  const united = chain.steps.some((step) => step.or);
  try {
    const result = await run(table, chain);
    const list = Array.isArray(result) ? result.map(shown) : [shown(result)];
    return JSON.stringify(united && chain.end !== 'sortBy' ? list.sort() : list);
  } catch (error) {
    if (isUnanswered(table, chain, error)) return unanswered;
    return isRefusal(table, error) ? 'refused' : `${error.stack}`;
  }
}

async function run(table, chain) {
  // Dexie changes ranges that it is given.
  const { steps, end } = structuredClone(chain);
  // As many name an index of several fields by its name as by a list.
  const query = queryOf(table, steps, (steps[0].args?.length ?? 0) % 2 === 1);
  const seen = [];
  switch (end) {
    case 'sortBy':
      // Rows of equal values stand as they were found, which for united ones may be anyhow.
      return steps.some((step) => step.or) ? (await query.sortBy('s')).map((row) => row.s) : query.sortBy('s');
    case 'each':
      await query.each((row) => seen.push(row));
      return seen;
    case 'eachKey':
      await query.eachKey((key) => seen.push(key));
      return seen;
    default:
      return query[end]();
  }
}

/** Takes away rows and calls as long as the two still differ. */
async function shrunk(pair, world, chain) {
  let rows = world.rows;
  const differ = async (fewer, steps) => {
    await fill(pair, fewer);
    return !(await both(pair, { ...chain, steps })).same;
  };
  let { steps } = chain;
  for (let at = rows.length - 1; at >= 0; at -= 1) {
    const fewer = rows.filter((_, place) => place !== at);
    if (await differ(fewer, steps)) rows = fewer;
  }
  for (let at = steps.length - 1; at > 0; at -= 1) {
    const fewer = steps.filter((_, place) => place !== at);
    if (await differ(rows, fewer)) steps = fewer;
  }
  await fill(pair, rows);
  const { dexie, engine } = await both(pair, { ...chain, steps });
  const { synced, primary, indexes } = world;
  return {
    synced,
    schema: [primary, ...indexes].join(', '),
    chain: text({ ...chain, steps }),
    rows: rows.map(shown),
    dexie,
    engine,
  };
}
