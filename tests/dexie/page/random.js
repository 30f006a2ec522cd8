// Random schemas, rows and chains, the same for the same seed.

/** A generator of numbers from 0 to 1 (mulberry32), with what is made of them. */
function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (count) => Math.floor(next() * count);
  return {
    below,
    chance: (share) => next() < share,
    pick: (items) => items[below(items.length)],
    some: (most, make) => Array.from({ length: below(most + 1) }, make),
  };
}

/** How many runs are made in one world. */
const perWorld = 25;

/** The worlds of `count` runs from a seed on: each its seed, its numbers, and how many of the runs are made in it. */
export function* worldsFrom(seed, count) {
  for (let done = 0; done < count; done += perWorld) {
    yield { seed: seed + done, random: randomFrom(seed + done), runs: Math.min(perWorld, count - done) };
  }
}

const json = [-1, 0, 1, 2, 3.5, '', 'a', 'A', 'ab', 'Ab', 'aB', 'b', 'é'];
const dates = [new Date(0), new Date('2026-01-01T00:00:00Z')];
const bytes = [new Uint8Array([1]).buffer, new Uint8Array([1, 2]).buffer];
const lists = [[], [1], [1, 'a']];
const noKeys = [null, true, { deep: 1 }];
const tags = ['x', 'y', 'Y', 'yx', 1, 2];
const optional = ['*tags', '[a+b]', '[a+b+c]', '[b+c]', '[c+n.x]', '&u', 'a', 'b', 'c', 'n.x'];

/** A table: local or synced, its schema, its rows. */
export function randomWorld(random) {
  const synced = random.chance(0.3);
  const primary = synced ? 'id' : random.pick(['id', 'id', '++id', '[a+id]']);
  // Names in alphabetical order, as IndexedDB lists them: of equally good indexes Dexie takes the first.
  const indexes = optional.filter((index) => random.chance(0.55) && !(synced && index === '&u'));
  const value = () => {
    if (synced) return random.chance(0.1) ? random.pick(noKeys) : random.pick(json);
    return random.chance(0.1) ? random.pick(noKeys) : random.pick(random.chance(0.8) ? json : [...dates, ...bytes]);
  };
  const nested = () => (random.chance(0.2) ? random.pick(lists) : value());
  const textIds = synced || random.chance(0.5);
  const row = (_, at) => {
    const made = { id: textIds ? `i${String.fromCharCode(97 + ((at * 7) % 26))}${at}` : (at * 7) % 31 };
    for (const field of ['a', 'b', 'c', 'd']) if (random.chance(0.85)) made[field] = value();
    if (random.chance(0.8)) made.n = { x: nested() };
    if (random.chance(0.8))
      made.tags = random.chance(0.9) ? random.some(3, () => random.pick(tags)) : random.pick(tags);
    if (random.chance(0.8)) made.u = `u${at}`;
    made.s = random.pick([1, 2, 3, 'p', 'q']);
    if (primary === '[a+id]') made.a = random.pick(json);
    return made;
  };
  const rows = Array.from({ length: random.below(31) }, row);
  return { synced, primary, indexes, rows };
}

/** The names a query may use: indexes, the primary key, first fields of compound ones. */
function names({ primary, indexes }) {
  const declared = [primary.replace('++', ''), ...indexes.map((index) => index.replace(/^[&*]/, ''))];
  const found = new Set([...declared, ':id']);
  for (const name of declared) {
    const fields = fieldsOf(name);
    for (let count = 1; count < fields.length; count += 1) {
      found.add(count === 1 ? fields[0] : `[${fields.slice(0, count).join('+')}]`);
    }
  }
  return [...found];
}

function fieldsOf(name) {
  return name.startsWith('[') ? name.slice(1, -1).split('+') : [name];
}

/** A chain of calls as data: where it begins, what follows, how it ends. */
export function randomChain(random, world) {
  const all = names(world);
  // Dexie takes an array for a compound key where a compound index serves a single field.
  const key = (field) => {
    if (world.synced) return random.pick(json);
    return random.pick(random.chance(0.85) ? json : field === 'n.x' ? lists : [...dates, ...bytes]);
  };
  const keyOf = (name) => {
    const fields = fieldsOf(name === ':id' ? world.primary.replace('++', '') : name);
    const one = (field) => {
      if (field === 'tags') return random.pick(tags);
      if (field === 'id' && world.rows.length > 0 && random.chance(0.8)) return random.pick(world.rows).id;
      if (field === 'u') return `u${random.below(31)}`;
      return key(field);
    };
    if (random.chance(0.03)) return random.pick(noKeys);
    return fields.length === 1 ? one(fields[0]) : fields.map(one);
  };
  const text = () => random.pick(random.chance(0.95) ? ['', 'a', 'A', 'ab', 'aB', 'b', 'y', 'x', 'é', 'i'] : [1, null]);
  const declared = [':id', world.primary, ...world.indexes].map((name) => name.replace(/^(\+\+|[&*])/, ''));
  const where = () => {
    for (;;) {
      const name = random.pick(all);
      const made = { where: name, ...condition(random, () => keyOf(name), text) };
      // Dexie fails to ask a longer index for a range that is open to one side, and compound ones for several texts; of a longer
      // one it compares a text with the first field.
      const compound = fieldsOf(name === ':id' ? declared[1] : name).length > 1;
      const fails =
        (compound && /AnyOf|IgnoreCase/.test(made.call)) ||
        (compound && !declared.includes(name) && made.call === 'startsWith') ||
        (!declared.includes(name) && /^(above|below)/.test(made.call));
      if (!fails) return made;
    }
  };
  /** Where Dexie knows at once that a condition finds nothing or is wrong, it forgets what it is united with. */
  const wherever = () => {
    for (;;) {
      const made = where();
      const keys = made.call === 'anyOf' ? made.args[0] : made.args;
      if (['anyOf', 'equals'].includes(made.call) && keys.length > 0 && keys.every(isKey)) return made;
    }
  };
  const start = () => {
    if (random.chance(0.1)) return { call: 'toCollection' };
    if (random.chance(0.15)) return { call: 'orderBy', args: [random.pick(all)] };
    const fields = ['a', 'b', 'c', 'd', 'n.x'].filter(() => random.chance(0.4)).slice(0, 3);
    if (random.chance(0.2) && comparable(world, fields)) {
      return { criteria: Object.fromEntries(fields.map((field) => [field, keyOf(field)]).filter(([, v]) => isKey(v))) };
    }
    return where();
  };
  const steps = [start()];
  if (Object.keys(steps[0].criteria ?? { some: 1 }).length === 0) steps[0] = where();
  const ors = random.chance(0.15) ? 1 + random.below(2) : 0;
  if (ors > 0) steps[0] = wherever();
  for (let i = 0; i < ors; i += 1) {
    if (random.chance(0.3)) steps.push(filter(random));
    if (i === 0 && random.chance(0.2)) {
      let most = 6;
      if (random.chance(0.5)) {
        // An index that lists rows several times is where it matters, and a page that is long enough for that.
        most = 20;
        const several = { where: 'tags', call: 'anyOf', args: [random.some(4, () => random.pick(tags))] };
        if (world.indexes.includes('*tags') && several.args[0].length > 0) steps[0] = several;
        steps.push({ call: 'distinct' });
      }
      steps.push({ call: 'limit', args: [random.below(most)] });
    }
    steps.push({ ...wherever(), or: true });
  }
  steps.push(...modifiers(random, ors > 0));
  return { steps, end: ending(random, steps, ors > 0, listsMayFollow(world, steps[0])) };
}

/** Whether a step asks a compound index by its first field, and its second one may hold a list: Dexie fails on its unique keys. */
function listsMayFollow({ indexes }, { where, args }) {
  return (where ?? args?.[0]) === 'c' && !indexes.includes('c') && indexes.includes('[c+n.x]');
}

function isKey(value) {
  return !noKeys.includes(value);
}

/**
 * Dexie takes a longer index where rows may lack its further fields; the engine then takes another. And of a compound
 * index for some of the fields it knows nothing, where no index is on one of them.
 */
function comparable({ primary, indexes }, fields) {
  if (fields.length === 0) return false;
  if (fields.length > 1 && !fields.some((field) => indexes.includes(field))) return false;
  const compound = [primary, ...indexes].filter((index) => index.startsWith('[')).map(fieldsOf);
  const begins = compound.filter((index) => fields.every((field) => index.slice(0, fields.length).includes(field)));
  return begins.length === 0 || begins.some((index) => index.length === fields.length) || fields.length === 1;
}

function condition(random, key, text) {
  const kind = random.pick(['equals', 'equals', 'one', 'between', 'inAnyRange', 'set', 'set', 'text', 'texts']);
  // Of a pair, Dexie does not always say that one is no key.
  const pair = () => {
    const made = [key(), key()];
    return made.every(isKey) ? made : pair();
  };
  const ordered = () => {
    const made = pair();
    return indexedDB.cmp(...made) > 0 && random.chance(0.9) ? made.reverse() : made;
  };
  // Dexie fails on ranges that hold nothing.
  const range = () => {
    const made = ordered();
    return sameKey(...made) ? range() : made;
  };
  switch (kind) {
    case 'equals':
      return { call: random.pick(['equals', 'equals', 'notEqual']), args: [key()] };
    case 'one':
      return { call: random.pick(['above', 'aboveOrEqual', 'below', 'belowOrEqual']), args: [key()] };
    case 'between': {
      const [lower, upper] = ordered();
      return {
        call: 'between',
        args: [lower, upper, ...random.pick([[], [true, true], [false, true], [true, false]])],
      };
    }
    case 'inAnyRange': {
      const ranges = apart(
        random.some(3, range),
        ([a, b], [c, d]) => indexedDB.cmp(a, d) <= 0 && indexedDB.cmp(c, b) <= 0,
      );
      const options = { includeLowers: random.chance(0.5), includeUppers: random.chance(0.5) };
      return { call: 'inAnyRange', args: random.chance(0.5) ? [ranges] : [ranges, options] };
    }
    case 'set': {
      const some = random.some(4, key);
      // A key that is named twice ends Dexie's walk from above.
      const keys = some.filter((one, at) => some.findIndex((other) => sameKey(one, other)) === at);
      return { call: random.pick(['anyOf', 'anyOf', 'noneOf']), args: [keys] };
    }
    case 'text':
      return { call: random.pick(['startsWith', 'equalsIgnoreCase', 'startsWithIgnoreCase']), args: [text()] };
    default: {
      const call = random.pick(['startsWithAnyOf', 'anyOfIgnoreCase', 'startsWithAnyOfIgnoreCase']);
      const texts = apart(random.some(3, text), (a, b) => `${a}`.startsWith(b) || `${b}`.startsWith(a));
      // Where one prefix, in any case, begins another one, Dexie may jump over rows.
      return { call, args: [call === 'startsWithAnyOfIgnoreCase' ? texts.slice(0, 1) : texts] };
    }
  }
}

/** Of more than two ranges, Dexie unites some that overlap, and from above then does not find all. */
function apart(items, overlap) {
  const overlapping = items.some((one, at) => items.slice(at + 1).some((other) => overlap(one, other)));
  return overlapping ? items.slice(0, 2) : items;
}

function sameKey(a, b) {
  try {
    return indexedDB.cmp(a, b) === 0;
  } catch {
    return false;
  }
}

function filter(random) {
  return { call: random.pick(['filter', 'and']), test: random.below(4) };
}

function modifiers(random, united) {
  const steps = [];
  if (random.chance(0.25)) steps.push(filter(random));
  // What comes first of united rows is nobody's promise in Dexie.
  if (united) return steps;
  if (random.chance(0.1)) steps.push({ call: 'until', test: random.below(4), args: [random.chance(0.5)] });
  if (random.chance(0.25)) steps.push({ call: 'distinct' });
  if (random.chance(0.3)) steps.push({ call: 'reverse' });
  const paging = () => ({ call: random.pick(['limit', 'offset']), args: [random.below(8)] });
  for (let i = random.below(3); i > 0; i -= 1) if (random.chance(0.5)) steps.push(paging());
  // Where a filter follows, Dexie passes over rows that the filter would leave out, from the first one it lets through.
  if (!steps.some(({ call }) => call === 'offset') && random.chance(0.1)) steps.push(filter(random));
  return steps;
}

function ending(random, steps, united, uniqueFails) {
  const has = (...calls) => steps.some(({ call }) => calls.includes(call));
  const ends = ['toArray', 'toArray', 'toArray', 'count', 'sortBy', 'each'];
  // Without a filter of its own, Dexie hands `until` no rows when keys are asked for.
  if (!has('until')) ends.push('primaryKeys');
  if (!united) ends.push('first', 'last');
  // Which index has several fields, and so the key, is not the caller's to know.
  const named = !(steps[0].criteria && Object.keys(steps[0].criteria).length > 1);
  if (named && !united && !has('until')) ends.push('keys', 'eachKey');
  // Dexie looks at one row of each key only, and of a longer index `offset` passes over rows.
  if (named && !united && !uniqueFails && !has('until', 'filter', 'and', 'distinct', 'offset')) ends.push('uniqueKeys');
  return random.pick(ends);
}
