// Hundreds of queries and calls of the engine with arguments that nobody should pass: each resolves or is refused with a code,
// and the database and transactions work on.
import { fresh, report } from './common.js';
import { appError, generator, hostile } from './hostile.js';
import { liveQuery, ManaError, openEngine } from './pkg/index.js';

const asked = new URLSearchParams(location.search);
const [seed, calls] = [Number(asked.get('seed') ?? 1), Number(asked.get('calls') ?? 300)];
const random = generator(seed);
const pick = (list) => list[Math.floor(random() * list.length)];
const chance = (share) => random() < share;
const bad = () => pick(hostile)();
/** Mostly what the call takes. */
const mostly = (good) => (chance(0.3) ? bad() : good());

const stores = { tasks: 'id, dueDate, n, *tags, [n+title]', drafts: '++id, &slug, [a+b+c]', beside: '', marks: 'id' };
const apps = { todo: { tables: { tasks: { dates: ['dueDate'] } } } };
const engine = await fresh({ schema: { version: 1, stores }, apps });
for (let at = 0; at < 20; at += 1) {
  await engine.table('tasks').add({ id: `t${at}`, n: at % 5, title: `title ${at}`, tags: ['x', 'y'].slice(at % 2) });
  await engine.table('drafts').add({ slug: `s${at}`, a: at % 3, b: 1, c: at });
}

const functions = [
  () => true,
  (row) => row?.n === 1,
  () => {
    throw appError;
  },
  async () => true,
  () => bad(),
];
const indexes = ['dueDate', 'n', 'tags', 'title', '[n+title]', '[a+b]', 'a', 'id', ':id', 'slug', 'nowhere'];
const keys = [1, 2, 't1', 'title 3', new Date(0), [1, 'title 1'], [1, 1], new Uint8Array([1])];
const index = () => mostly(() => pick(indexes));
const key = () => mostly(() => pick(keys));
const list = (make) => mostly(() => Array.from({ length: Math.floor(random() * 4) }, make));
const run = () => mostly(() => pick(functions));
const count = () => mostly(() => Math.floor(random() * 5));

const conditions = {
  equals: () => [key()],
  notEqual: () => [key()],
  above: () => [key()],
  belowOrEqual: () => [key()],
  between: () => [key(), key(), mostly(() => true), mostly(() => false)],
  inAnyRange: () => [list(() => mostly(() => [key(), key()])), mostly(() => ({ includeLowers: mostly(() => true) }))],
  anyOf: () => (chance(0.5) ? [list(key)] : [key(), key()]),
  noneOf: () => [list(key)],
  startsWith: () => [mostly(() => 't')],
  startsWithAnyOf: () => [list(() => mostly(() => 't'))],
  equalsIgnoreCase: () => [mostly(() => 'T1')],
  anyOfIgnoreCase: () => [list(() => mostly(() => 'T1'))],
  startsWithAnyOfIgnoreCase: () => [list(() => mostly(() => 'T'))],
};
const where = (from, call) => {
  const name = pick(Object.keys(conditions));
  const clause = from[call](chance(0.15) ? [pick(indexes), pick(indexes)] : index());
  // An object names values, not an index.
  return 'toArray' in clause ? clause : clause[name](...conditions[name]());
};
const starts = [
  (table) => where(table, 'where'),
  (table) => where(table, 'where'),
  (table) => {
    const made = table.where(mostly(() => ({ [pick(indexes)]: key(), n: key() })));
    return 'toArray' in made ? made : made.equals(key());
  },
  (table) => table.orderBy(index()),
  (table) => table.toCollection(),
];
const steps = [
  (query) => query.filter(run()),
  (query) => query.and(run()),
  (query) =>
    query.until(
      run(),
      mostly(() => true),
    ),
  (query) => query.limit(count()),
  (query) => query.offset(count()),
  (query) => query.orderBy(index()),
  (query) => query.reverse().distinct(),
  (query) => query.includeDeleted().acrossSpaces(),
  (query) => where(query, 'or'),
];
const edits = [
  () => ({ title: bad(), n: 1 }),
  () => ({ [`deep.${'x.'.repeat(Math.floor(random() * 40))}y`]: bad() }),
  () => (row) => {
    row.n = bad();
  },
  () => (_, context) => {
    // `update` gives no second argument.
    if (context) context.value = bad();
  },
  () => (row) => {
    Object.defineProperty(row, 'title', { get: bad, enumerable: true });
  },
  () => bad(),
];
const ends = [
  (query) => query.toArray(),
  (query) => query.first(),
  (query) => query.last(),
  (query) => query.count(),
  (query) => query.keys(),
  (query) => query.uniqueKeys(),
  (query) => query.primaryKeys(),
  (query) => query.explain(),
  (query) => query.sortBy(index()),
  (query) => query.each(run()),
  (query) => query.eachKey(run()),
  (query) => query.limit(2).modify(pick(edits)()),
  (query) => query.limit(1).delete(),
  async (query) => query.live().subscribe(run())(),
];

function query(table) {
  let made = pick(starts)(table);
  for (let more = Math.floor(random() * 3); more > 0; more -= 1) made = pick(steps)(made);
  return pick(ends)(made);
}

const tableCalls = [
  (table) => table.get(key()),
  (table) => table.bulkGet(list(key)),
  (table) => table.add(bad(), ...(chance(0.3) ? [key()] : [])),
  (table) => table.put({ id: key(), n: bad() }),
  (table) =>
    table.bulkAdd(
      list(() => ({ id: key(), title: bad() })),
      ...(chance(0.4) ? [list(key)] : []),
    ),
  (table) =>
    table.bulkPut(
      list(bad),
      mostly(() => ({ allKeys: true })),
    ),
  (table) => table.update(key(), bad()),
  (table) => table.update(key(), pick(edits.slice(2))()),
  (table) => table.bulkUpdate(list(() => mostly(() => ({ key: key(), changes: { n: bad() } })))),
  (table) => table.upsert(key(), { n: bad() }),
  (table) => table.bulkDelete(list(() => mostly(() => 'nobody'))),
  (table) => table.restore(bad()),
  (table) => table.purge(bad()),
  (table) => table.clear({ tombstones: bad() === 1, [pick(['a', 'b'])]: bad() }),
];
const tableName = () => (chance(0.1) ? bad() : pick(['tasks', 'tasks', 'drafts', 'beside']));

const engineCalls = [
  () => engine.table(bad()).count(),
  () =>
    engine.on(
      mostly(() => 'change'),
      mostly(() => () => {}),
    )(),
  () =>
    engine
      .as(mostly(() => ({ kind: mostly(() => 'ai'), principalId: bad(), more: bad() })))
      .table('tasks')
      .count(),
  () => engine.isLocked(bad()),
  () => engine.setActiveSpace(mostly(() => null)),
  () =>
    engine.setSpaces(
      list(() => ({ id: bad(), type: bad(), role: bad() })),
      mostly(() => ({ confirmTypeChange: bad() })),
    ),
  () =>
    engine.setVisibility(
      mostly(() => 'tasks'),
      bad(),
      mostly(() => 'private'),
    ),
  () =>
    engine.moveToSpace(
      mostly(() => 'tasks'),
      mostly(() => 't1'),
      bad(),
    ),
  () =>
    engine.transaction(
      mostly(() => 'rw'),
      mostly(() => ['tasks', bad()]),
      run(),
    ),
  () =>
    engine.inspector.record(
      mostly(() => 'tasks'),
      bad(),
    ),
  () => engine.inspector.log(count()),
  () => engine.conflicts.restore(mostly(() => ({ table: 'tasks', id: 't1', field: bad(), local: bad() }))),
  () => engine.conflicts.subscribe(bad())(),
  () => engine.adoptGuestData(bad()),
  () => engine.vault.unlock(mostly(() => ({ rawKey: bad() }))),
  () => engine.vault.unlock({ recoveryCode: bad() }),
  () => engine.vault.createPassphraseWrap(bad()),
  () => engine.vault.rotate(bad()),
  () =>
    engine.setUser(
      mostly(() => ({ id: Symbol('u'), displayName: bad() })),
      bad(),
    ),
  () => engine.signOut(pick([null, 5, 'all'])),
  () => engine.destroy(pick([null, true, []])),
  () => engine.destroy({ force: pick([Symbol('f'), 'no', 1n, {}, 0]) }),
  () => engine.signOut({ wipe: pick([Symbol('w'), 'no', 1n, {}, 0]) }),
  () =>
    liveQuery(
      mostly(() => engine),
      run(),
    ).subscribe(() => {})(),
  () => openEngine(bad()),
  () => openEngine({ name: bad(), schema: { version: 1, stores: { a: bad() } } }),
  () => openEngine({ name: 'hostile', schema: bad(), apps: bad(), on: bad() }),
  () =>
    openEngine({ name: 'hostile', schema: { version: 1, stores: { a: 'id' } }, [pick(openings)]: bad(), user: bad() }),
];
const openings = ['spaces', 'activeSpaceId', 'sync', 'encryption', 'vault', 'durability', 'module', 'apps'];

const strays = [];
const codes = {};
async function settle(what, make) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it never settled')), 10_000);
  });
  try {
    const value = await Promise.race([make(), limit]);
    if (typeof value?.destroy === 'function') await value.destroy({ force: true });
    codes.resolved = (codes.resolved ?? 0) + 1;
  } catch (error) {
    if (error === appError) return;
    const isOwn =
      error instanceof ManaError && !['internal', 'engine_panicked', 'connection_lost'].includes(error.code);
    if (isOwn) codes[error.code] = (codes[error.code] ?? 0) + 1;
    else strays.push(`${what}: ${error?.code} ${error?.name}: ${String(error?.message).slice(0, 200)} ${error?.stack}`);
  } finally {
    clearTimeout(timer);
  }
}
addEventListener('unhandledrejection', (event) => {
  if (!(event.reason instanceof ManaError)) strays.push(`unhandled: ${event.reason?.stack ?? event.reason}`);
  event.preventDefault();
});

/** A call in a transaction is refused there; the transaction goes on and is saved, unless it was told otherwise. */
let saved = 0;
async function inTransaction(make) {
  saved += 1;
  const mark = `saved ${saved}`;
  await engine.transaction('rw', ['tasks', 'drafts', 'marks'], async (tx) => {
    try {
      await make(tx.table(pick(['tasks', 'drafts'])));
    } catch (error) {
      if (!(error instanceof ManaError)) throw error;
    }
    await tx.table('marks').put({ id: mark });
  });
  if (!(await engine.table('marks').get(mark))) strays.push(`${mark} is not there`);
}

for (let made = 0; made < calls; ) {
  const together = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
    made += 1;
    const way = random();
    if (way < 0.25) {
      const call = pick(engineCalls);
      return settle(String(call), async () => call());
    }
    const call = way < 0.7 ? query : pick(tableCalls);
    if (way > 0.9) return settle(`in a transaction, ${call}`, () => inTransaction(call));
    return settle(String(call), async () => call(engine.table(tableName())));
  });
  await Promise.all(together);
}

await engine.table('tasks').put({ id: 'last', title: 'works' });
const works = (await engine.table('tasks').where('id').equals('last').first()).title;
await engine.destroy({ force: true });
report({ seed, works, strays: strays.slice(0, 10), kinds: Object.keys(codes).sort(), resolved: codes.resolved, saved });
