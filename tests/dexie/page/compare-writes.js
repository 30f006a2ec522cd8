// Runs writes on Dexie and on the engine; reports where their answers or the tables' contents differ.
import { closePair, fill, isRefusal, openPair, queryOf, shown, text } from './pair.js';
import { worldsFrom } from './random.js';
import { edits, ofTheApp, randomWrite, writtenWorld } from './random-writes.js';

/** After so many the table begins anew, so that enough is there to meet. */
const writesPerFill = 5;

/** Runs `count` writes from a seed on; gives the differences, each with what repeats it. */
window.compareWrites = async (seed, count) => {
  const differences = [];
  for (const { seed: worldSeed, random, runs } of worldsFrom(seed, count)) {
    const world = writtenWorld(random);
    let pair = await openPair(world);
    for (let i = 0; i < runs; i += 1) {
      if (i % writesPerFill === 0) await fill(pair, world.rows, world.keys);
      const before = await contents(pair.tables[0], world);
      const write = randomWrite(random, world);
      const found = await both(pair, world, write, before);
      if (found.same) continue;
      await closePair(pair);
      differences.push({ seed: worldSeed, ...(await shrunk(world, before, write)) });
      // Generators of keys may have gone different ways.
      pair = await openPair(world);
      await fill(pair, world.rows, world.keys);
    }
    await closePair(pair);
  }
  return differences;
};

async function both(pair, world, write, before) {
  const [dexie, engine] = await Promise.all(
    pair.tables.map(async (table) => {
      const answered = await answer(pair, table, world, write);
      const { rows, keys } = await contents(table, world);
      return [answered, ...rows.map((row, at) => (keys ? `${keys[at]}: ` : '') + shown(row))];
    }),
  );
  const [said, told] = [dexie[0], engine[0]];
  const same = said === told || isMoreThanDexieSays(world, write, before, [said, told]);
  return { same: same && JSON.stringify(dexie.slice(1)) === JSON.stringify(engine.slice(1)), dexie, engine };
}

/** Whether the engine names what Dexie forgets to, as docs/writes.md lists it; the rows are the same then all the same. */
function isMoreThanDexieSays({ primary }, { call, end, args }, { rows, keys }, [dexie, engine]) {
  if (call === 'bulkUpdate') {
    // The places of refused items are moved one by one past those whose key is not there, and run into each other.
    const there = new Set(keys ?? rows.map((row) => row[primary.replace('++', '')]));
    const [fewer, all] = [dexie, engine].map((text) => /^refused at ([\d,]+)$/.exec(text)?.[1].split(','));
    return Boolean(fewer && all) && args[0].some(({ key }) => !there.has(key)) && fewer.every((at) => all.includes(at));
  }
  if (end !== 'modify' || typeof args[0] !== 'object') return false;
  // Rows that are as they are to be are not counted.
  const asWanted = rows.filter((row) =>
    Object.entries(args[0]).every(([path, value]) => shown(row[path]) === shown(value)),
  );
  const [fewer, more] = [dexie, engine].map((text) => Number(/^refused all but (\d+)$/.exec(text)?.[1]));
  return more > fewer && more - fewer <= asWanted.length;
}

/** All rows, with their keys where these are beside them. */
async function contents(table, { keys }) {
  const rows = await table.toCollection().toArray();
  return { rows, ...(keys && { keys: await table.toCollection().primaryKeys() }) };
}

/** What a write gives, as a text: its value, or that it was refused, with the places that were. */
async function answer(pair, table, world, write) {
  const { steps, call, end, args, edit, within } = structuredClone(write);
  const given = edit === undefined ? args : [...args, edits[edit]];
  const act = (on) => (call ? on[call](...given) : queryOf(on, steps)[end](...given));
  try {
    const value = await (within ? inTransaction(pair, table, act, within === 'caught') : act(table));
    if (value === undefined || isOwnCount(world, call)) return 'done';
    // Dexie says whether the row was there, the engine whether it was made.
    return shown(call === 'upsert' && 'db' in table ? !value : value);
  } catch (error) {
    return isRefusal(table, error) || error === ofTheApp ? `refused ${refused(error, !call)}` : `${error.stack}`;
  }
}

/** Writes in a transaction; where it catches what is refused, the rest of it is saved. */
async function inTransaction({ dexie, engine }, table, act, catches) {
  let caught;
  const body = (on) =>
    act(on).catch((error) => {
      if (!catches) throw error;
      caught = error;
    });
  const value = await ('db' in table
    ? dexie.transaction('rw', table, () => body(table))
    : engine.transaction('rw', 't', (tx) => body(tx.table('t'))));
  if (caught) throw caught;
  return value;
}

/** Tables that sync do not count rows in which nothing differs. */
function isOwnCount({ synced }, call) {
  return synced && (call === 'update' || call === 'bulkUpdate');
}

/** What an error says of a call with several rows: of a query's how many were done, of a list's which were not. */
function refused({ failures, failuresByPos, code, details, successCount }, isQuery) {
  if (failuresByPos) return `at ${Object.keys(failuresByPos)}`;
  // Dexie's `update` is a query, too.
  if (failures) return isQuery ? `all but ${successCount}` : '';
  if (code !== 'bulk_failed') return '';
  return isQuery ? `all but ${details.successCount}` : `at ${details.failures.map(({ position }) => position)}`;
}

/** Takes away rows as long as the two still differ. */
async function shrunk(world, { rows, keys }, write) {
  const pair = await openPair(world);
  const tried = (places) => {
    const at = (list) => list && places.map((place) => list[place]);
    const left = { rows: at(rows), keys: at(keys) };
    return fill(pair, left.rows, left.keys).then(() => both(pair, world, write, left));
  };
  let places = rows.map((_, at) => at);
  for (let at = rows.length - 1; at >= 0; at -= 1) {
    const fewer = places.filter((place) => place !== at);
    if (!(await tried(fewer)).same) places = fewer;
  }
  const { dexie, engine } = await tried(places);
  await closePair(pair);
  const { synced, primary, indexes } = world;
  return {
    synced,
    schema: [primary, ...indexes].join(', '),
    write: text(write),
    rows: places.map((place) => (keys ? `${keys[place]}: ` : '') + shown(rows[place])),
    dexie,
    engine,
  };
}
