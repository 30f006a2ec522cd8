// Runs chains on Dexie and on the engine, and reports where they differ.
import { Dexie } from './dexie.mjs';
import { ManaError, openEngine } from './pkg/index.js';
import { randomChain, randomFrom, randomWorld } from './random.js';

const chainsPerWorld = 25;
const engineFields = ['spaceId', 'authorId', 'visibility', 'deletedAt', 'updatedAt', '__fieldMeta', '_updatedAtIndex'];
const tests = [
  (row) => row.s === 1 || row.s === 'p',
  (row) => typeof row.a === 'number',
  (row) => (row.tags?.length ?? 0) > 1,
  (row) => String(row.id).length % 2 === 0,
];
let databases = 0;

/** Runs `count` chains from a seed on; gives the differences, each with what repeats it. */
window.compare = async (seed, count) => {
  const differences = [];
  for (let done = 0; done < count; done += chainsPerWorld) {
    const worldSeed = seed + done;
    const random = randomFrom(worldSeed);
    const world = randomWorld(random);
    const pair = await open(world);
    await fill(pair, world.rows);
    for (let i = 0; i < Math.min(chainsPerWorld, count - done); i += 1) {
      const chain = randomChain(random, world);
      const found = await both(pair, chain);
      if (found.same) continue;
      differences.push({ seed: worldSeed, ...(await shrunk(pair, world, chain)) });
      await fill(pair, world.rows);
    }
    await close(pair);
  }
  return differences;
};

async function open(world) {
  databases += 1;
  const schema = [world.primary, ...world.indexes].join(', ');
  const dexie = new Dexie(`dexie-${databases}`);
  dexie.version(1).stores({ t: schema });
  const engine = await openEngine({
    name: `engine-${databases}`,
    schema: { version: 1, stores: { t: schema } },
    apps: world.synced ? { app: { tables: { t: {} } } } : {},
    user: { id: 'u' },
  });
  return { dexie, engine, tables: [dexie.table('t'), engine.table('t')] };
}

async function fill({ dexie, engine, tables }, rows) {
  const [ours, theirs] = [tables[1], tables[0]];
  await dexie.table('t').clear();
  // A synced table is not emptied: what is deleted stays as a tombstone.
  const old = await ours.toCollection().primaryKeys();
  await ours.bulkDelete(old);
  await theirs.bulkPut(structuredClone(rows));
  await ours.bulkPut(structuredClone(rows));
  return engine;
}

async function close({ dexie, engine }) {
  await dexie.delete();
  await engine.destroy({ force: true });
}

async function both(pair, chain) {
  const [dexie, engine] = await Promise.all(pair.tables.map((table) => outcome(table, chain)));
  return { same: dexie === engine, dexie, engine };
}

/** What a chain gives, as a text; all failures are alike, as their words are each library's own. */
async function outcome(table, chain) {
  const united = chain.steps.some((step) => step.or);
  try {
    const result = await run(table, chain);
    const list = Array.isArray(result) ? result.map(shown) : [shown(result)];
    return JSON.stringify(united && chain.end !== 'sortBy' ? list.sort() : list);
  } catch (error) {
    const refused = error instanceof ManaError || 'db' in table;
    return refused ? 'refused' : `${error.stack}`;
  }
}

async function run(table, chain) {
  // Dexie changes ranges that it is given.
  const { steps, end } = structuredClone(chain);
  const query = steps.reduce((query, step) => {
    if (step.criteria) return query.where(step.criteria);
    if (step.where) return query[step.or ? 'or' : 'where'](step.where)[step.call](...step.args);
    const args = step.test === undefined ? (step.args ?? []) : [tests[step.test], ...(step.args ?? [])];
    return query[step.call](...args);
  }, table);
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

/** A value as a text: the engine's own fields left out, what JSON does not know by its kind. */
function shown(value) {
  if (value === undefined) return 'undefined';
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof ArrayBuffer) return `bytes ${new Uint8Array(value)}`;
  if (Array.isArray(value)) return `[${value.map(shown)}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => !engineFields.includes(name));
  return `{${names.sort().map((name) => `${name}: ${shown(value[name])}`)}}`;
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
  const text = (value) => JSON.stringify(value, (_, part) => (part instanceof ArrayBuffer ? shown(part) : part));
  return {
    synced,
    schema: [primary, ...indexes].join(', '),
    chain: text({ ...chain, steps }),
    rows: rows.map(shown),
    dexie,
    engine,
  };
}

document.querySelector('output').textContent = 'ready';
