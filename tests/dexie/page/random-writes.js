// Random tables to write to, and writes as data: calls of a table, and queries that modify or delete.
import { randomChain, randomWorld } from './random.js';

const primaries = ['id', 'id', '++id', '[a+id]', '', '++'];
const values = [-1, 0, 2, 'a', 'Ab', 'b', null, true, { deep: 1 }, undefined];

/** A table as `randomWorld` makes it, also one with keys beside its rows. */
export function writtenWorld(random) {
  const world = randomWorld(random);
  if (world.synced) return { ...world, rows: world.rows.map(withoutNull) };
  const primary = random.pick(primaries);
  for (const row of world.rows) {
    row.a ??= 0;
    // Keys that are beside the rows are numbers that `++` goes on after.
    if (primary === '++id') row.id = typeof row.id === 'number' ? row.id : row.id.length;
  }
  const isKeyLess = primary === '' || primary === '++';
  const rows = primary === '[a+id]' ? world.rows.map((row) => ({ ...row, a: keyOr(row.a, 0) })) : world.rows;
  return { ...world, primary, rows, ...(isKeyLess && { keys: rows.map((_, at) => 2 * at + 1) }) };
}

/** On tables that sync a field that is `null` and one that is not there are the same. */
function withoutNull(row) {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

function keyOr(value, otherwise) {
  return typeof value === 'number' || typeof value === 'string' ? value : otherwise;
}

/**
 * One write: `call` with `args` on the table, or `end` with `args` on the query of `steps`; `within` a transaction that catches
 * what is refused, or does not.
 */
export function randomWrite(random, world) {
  const write = isBeside(world) || random.chance(0.55) ? tableCall(random, world) : queryCall(random, world);
  return random.chance(0.3) ? { ...write, within: random.pick(['caught', 'caught', 'uncaught']) } : write;
}

function isBeside({ primary }) {
  return primary === '' || primary === '++';
}

function queryCall(random, world) {
  const { steps } = randomChain(random, world);
  const sure = steps.filter(({ call }) => call !== 'until');
  if (random.chance(0.25) && !isWhole(sure)) return { steps: sure, end: 'delete', args: [] };
  if (random.chance(0.5)) return { steps: sure, end: 'modify', args: [changes(random, world)] };
  return { steps: sure, end: 'modify', args: [], edit: random.below(edits.length) };
}

/** Of a whole index Dexie deletes also the rows that are not in it. */
function isWhole([{ call, args }]) {
  return call === 'orderBy' || (call === 'noneOf' && args[0].length === 0);
}

/** What is given to `modify` and `update`: fields, one of them removed at times, or a path. */
function changes(random, world) {
  const fields = { s: random.pick([1, 'q', 7]) };
  for (const field of ['b', 'c', 'd', 'new']) if (random.chance(0.25)) fields[field] = random.pick(plain(world));
  if (random.chance(0.2)) fields['n.x'] = random.pick([1, 'a', [1]]);
  if (random.chance(0.2)) fields.tags = random.pick([['x'], [], ['y', 'x'], undefined]);
  if (random.chance(0.25)) fields.u = `u${random.below(8)}`;
  return fields;
}

function plain({ synced }) {
  return synced ? values.filter((value) => value !== null) : [...values, new Date(5), new Uint8Array([3]).buffer];
}

/** What one of them throws. */
export const ofTheApp = new Error('of the app');

/** What functions given to `modify` do with a row. */
export const edits = [
  (row) => {
    row.s = 9;
    row.d = (typeof row.d === 'number' ? row.d : 0) + 1;
  },
  (row) => {
    row.u = row.s === 1 ? 'u1' : `${row.u}!`;
  },
  (row) => {
    delete row.b;
    row.tags = [...(Array.isArray(row.tags) ? row.tags : []), 'z'];
  },
  (row, context) => {
    if (row.s === 'p') delete context.value;
    else row.c = 'kept';
  },
  (row, context) => {
    if (row.s === 'p') delete context.value;
    else row.u = 'u2';
  },
  (row, context) => {
    const { id, a, u } = row;
    context.value = { id, s: 2, replaced: true, ...(a !== undefined && { a }), ...(u !== undefined && { u }) };
  },
  (row) => {
    if (row.s === 2) return false;
    row.s = 0;
    row.tags = 'one';
  },
  function () {
    this.value.d = String(this.primKey);
  },
  (row) => {
    row.s = 'thrown';
    if (row.d === 'b') throw ofTheApp;
  },
];
/** Those that need nothing but the row, as for `update`. */
const plainEdits = [0, 1, 2, 8];

function tableCall(random, world) {
  const beside = isBeside(world);
  const row = () => newRow(random, world);
  const key = () => someKey(random, world);
  // Keys may be left out where they are generated.
  const keys = (count) =>
    beside && (world.primary === '' || random.chance(0.4)) ? [Array.from({ length: count }, key)] : [];
  const call = random.pick([
    'add',
    'put',
    'bulkAdd',
    'bulkAdd',
    'bulkPut',
    'bulkPut',
    'update',
    'bulkUpdate',
    'upsert',
    'delete',
    'bulkDelete',
    'get',
    'bulkGet',
    'clear',
  ]);
  switch (call) {
    case 'add':
    case 'put':
      return { call, args: [row(), ...keys(1).flat()] };
    case 'bulkAdd':
    case 'bulkPut': {
      const rows = random.some(6, row);
      return { call, args: [rows, ...keys(rows.length), ...(random.chance(0.4) ? [{ allKeys: true }] : [])] };
    }
    case 'get':
      return { call, args: [random.chance(0.5) ? key() : (criteria(random, world) ?? key())] };
    case 'clear':
      return { call, args: world.synced ? [{ tombstones: true }] : [] };
    case 'update':
    case 'upsert':
      if (call === 'update' && random.chance(0.4)) return { call, args: [key()], edit: random.pick(plainEdits) };
      return { call, args: [key(), changes(random, world)] };
    case 'bulkUpdate':
      // Of two items with one key Dexie forgets the first.
      return {
        call,
        args: [unlike(random.some(4, key)).map((one) => ({ key: one, changes: changes(random, world) }))],
      };
    case 'delete':
      return { call, args: [key()] };
    default:
      return { call, args: [random.some(4, key)] };
  }
}

/** A field that has an index of its own, so that both take the first of the same rows. */
function criteria(random, { indexes }) {
  const fields = ['a', 'b', 'c'].filter((field) => indexes.includes(field));
  return fields.length > 0 ? { [random.pick(fields)]: random.pick([-1, 0, 1, 2, 'a', 'Ab', 'b']) } : undefined;
}

function unlike(keys) {
  return keys.filter((key, at) => keys.findIndex((other) => indexedDB.cmp(key, other) === 0) === at);
}

/** A row whose key, or entry of the unique index, another one often has. */
function newRow(random, world) {
  const made = { s: random.pick([1, 2, 'p']), c: random.pick(['a', 1, 2]) };
  if (random.chance(0.7)) made.u = `u${random.below(40)}`;
  if (random.chance(0.5)) made.tags = random.some(2, () => random.pick(['x', 'y', 1]));
  if (random.chance(0.3)) made.n = { x: random.pick([1, 'a']) };
  if (isBeside(world)) return made;
  const known = world.rows.length > 0 && random.chance(0.5) ? random.pick(world.rows) : undefined;
  const { primary } = world;
  if (primary === '++id') {
    if (random.chance(0.4)) made.id = known?.id ?? 40 + random.below(9);
  } else made.id = known?.id ?? (world.synced ? `new${random.below(9)}` : random.pick([100, 101, 'new1', 'new2']));
  made.a = primary === '[a+id]' ? (known?.a ?? random.pick([1, 'a'])) : random.pick([1, 'a', 2]);
  return made;
}

function someKey(random, world) {
  const known = world.rows.length > 0 && random.chance(0.7) ? random.below(world.rows.length) : undefined;
  if (isBeside(world)) return known === undefined ? 100 + random.below(5) : world.keys[known];
  const { id, a } = known === undefined ? { id: world.synced ? 'none' : 77, a: 1 } : world.rows[known];
  return world.primary === '[a+id]' ? [a, id] : id;
}
