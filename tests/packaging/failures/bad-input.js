// Wrong arguments: each its code, nothing written, and the database as usable as before.
import { codeOf, fresh, options, recordsAndLog, report } from './common.js';
import { openEngine } from './pkg/index.js';
import { wrongArguments } from './wrong-arguments.js';

const engine = await fresh();
const tasks = engine.table('tasks');
await tasks.add({ id: 'a', title: 'kept', nested: { list: [1, 2] } });
const deep = (levels) => Array.from({ length: levels }).reduce((inner) => [inner], 1);
const cycle = { id: 'x' };
cycle.self = { cycle };

const attempts = {
  unknownTable: () => engine.table('nowhere').get('a'),
  unknownIndex: () => tasks.where('colour').equals('red').toArray(),
  notAnObject: () => tasks.add('text'),
  nullRecord: () => tasks.put(null),
  numberAsId: () => tasks.add({ id: 7 }),
  emptyId: () => tasks.add({ id: '' }),
  idWithNul: () => tasks.add({ id: 'a\0b' }),
  loneSurrogateId: () => tasks.add({ id: 'a\uD800' }),
  protoId: () => tasks.add({ id: '__proto__' }),
  loneSurrogate: () => tasks.add({ id: 'x', title: 'cut \uD83D' }),
  nul: () => tasks.add({ id: 'x', title: 'a\0b' }),
  notANumber: () => tasks.add({ id: 'x', count: Number.NaN }),
  infinite: () => tasks.add({ id: 'x', count: Number.POSITIVE_INFINITY }),
  bigInt: () => tasks.add({ id: 'x', count: 1n }),
  map: () => tasks.add({ id: 'x', map: new Map() }),
  date: () => tasks.add({ id: 'x', nested: { when: new Date() } }),
  func: () => tasks.add({ id: 'x', act: () => {} }),
  cycle: () => tasks.add(cycle),
  tooDeep: () => tasks.add({ id: 'x', deep: deep(65) }),
  protoKey: () => tasks.add({ id: 'x', bad: JSON.parse('{"__proto__":{"polluted":1}}') }),
  constructorField: () => tasks.add({ id: 'x', constructor: 1 }),
  existing: () => tasks.add({ id: 'a' }),
  immutable: () => tasks.update('a', { authorId: 'u2' }),
  otherSpace: () => tasks.update('a', { spaceId: 's9' }),
  unknownSpace: () => tasks.add({ id: 'x', spaceId: 's9' }),
  reserved: () => tasks.update('a', { deletedAt: '2026-01-01T00:00:00Z' }),
  secondOfTwo: () => tasks.bulkAdd([{ id: 'y' }, { id: 'z', bad: Number.NaN }]),
  invalidKey: () => tasks.get(Symbol.iterator),
  booleanKey: () => tasks.where('dueDate').equals(true).toArray(),
  noText: () => tasks.where('dueDate').startsWith(1).count(),
  wrongRange: () =>
    tasks
      .where('dueDate')
      .inAnyRange([['b', 'a']])
      .keys(),
  noIndexOfSeveral: () => tasks.where({ colour: 'red', size: 1 }).toArray(),
};
const codes = {};
for (const [name, attempt] of Object.entries(attempts)) {
  codes[name] = await codeOf(Promise.resolve().then(attempt));
}
await tasks.put({ id: 'zero', n: -0 });
const limits = {
  deepest: await codeOf(tasks.add({ id: 'deep', deep: deep(64) })),
  negativeZero: Object.is((await tasks.get('zero')).n, 0),
  polluted: {}.polluted,
  emptyRange: await tasks.where('dueDate').between('b', 'a').toArray(),
};
const kept = await recordsAndLog('failures-1');

const schemas = {
  uniqueOnSynced: { schema: { version: 1, stores: { tasks: 'id, &slug', notes: 'id' } } },
  notById: { schema: { version: 1, stores: { tasks: '++id', notes: 'id' } } },
  noIndex: { schema: { version: 1, stores: { tasks: 'id, a b', notes: 'id' } } },
  engineStore: { schema: { version: 1, stores: { tasks: 'id', notes: 'id', _changeLog: '++seq' } } },
  missingStore: { schema: { version: 1, stores: { tasks: 'id' } } },
};
for (const [name, wrong] of Object.entries(schemas)) {
  codes[name] = await codeOf(openEngine({ ...options, name: `wrong-${name}`, ...wrong }));
}
codes.otherUser = await codeOf(
  openEngine({ ...options, name: 'failures-1', user: { id: 'u2', displayName: 'Second' } }),
);
codes.unsent = await codeOf(engine.destroy());
codes.stillThere = (await tasks.get('a')).title;
const wrong = await wrongArguments(engine);
engine.close();
codes.closed = await codeOf(Promise.resolve().then(() => tasks.get('a')));
const again = await openEngine({ ...options, name: 'failures-1' });
await again.destroy({ force: true });
report({ codes, limits, kept, wrong });
