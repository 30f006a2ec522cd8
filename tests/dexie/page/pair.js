// One table in Dexie and in the engine: opened, filled, asked and shown alike.
import { Dexie } from './dexie.mjs';
import { ManaError, openEngine } from './pkg/index.js';

const engineFields = ['spaceId', 'authorId', 'visibility', 'deletedAt', 'updatedAt', '__fieldMeta', '_updatedAtIndex'];
const tests = [
  (row) => row.s === 1 || row.s === 'p',
  (row) => typeof row.a === 'number',
  (row) => (row.tags?.length ?? 0) > 1,
  (row) => String(row.id).length % 2 === 0,
];
/** What the engine says where it failed itself. */
const failures = ['internal', 'engine_panicked', 'connection_lost'];
let databases = 0;

/** Opens a world's table twice: `tables` are Dexie's and the engine's. */
export async function openPair(world) {
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

/** Puts these rows, under these keys where they are beside the rows, in the place of all there are. */
export async function fill({ tables }, rows, keys) {
  const [theirs, ours] = tables;
  await theirs.clear();
  // A synced table is not emptied: what is deleted stays as a tombstone.
  await ours.bulkDelete(await ours.toCollection().primaryKeys());
  for (const table of tables) await table.bulkPut(structuredClone(rows), ...(keys ? [structuredClone(keys)] : []));
}

export async function closePair({ dexie, engine }) {
  await dexie.delete();
  await engine.destroy({ force: true });
}

/** The query of some steps; an index of several fields is named as a list where `listed`. */
export function queryOf(table, steps, listed = false) {
  return steps.reduce((query, step) => {
    if (step.criteria) return query.where(step.criteria);
    if (step.where) return query[step.or ? 'or' : 'where'](nameOf(step, listed))[step.call](...step.args);
    const args = step.test === undefined ? (step.args ?? []) : [tests[step.test], ...(step.args ?? [])];
    return query[step.call](...args);
  }, table);
}

/** Dexie takes no list after `or`. */
function nameOf({ where, or }, listed) {
  return listed && !or && where.startsWith('[') ? where.slice(1, -1).split('+') : where;
}

/** Whether a library may fail so: with an error of its own, whose words are nobody's promise. */
export function isRefusal(table, error) {
  return 'db' in table || (error instanceof ManaError && !failures.includes(error.code));
}

/** A value as a text: the engine's own fields left out, what JSON does not know by its kind. */
export function shown(value) {
  if (value === undefined) return 'undefined';
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof ArrayBuffer) return `bytes ${new Uint8Array(value)}`;
  if (Array.isArray(value)) return `[${value.map(shown)}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => !engineFields.includes(name));
  return `{${names.sort().map((name) => `${name}: ${shown(value[name])}`)}}`;
}

/** Anything as one line of a report. */
export function text(value) {
  return JSON.stringify(value, (_, part) => (part instanceof ArrayBuffer ? shown(part) : part));
}
