// Hundreds of calls with right and wrong arguments, in random order and often at once: each resolves or rejects with a
// ManaError, and afterwards everything works, and record and log agree.
import { fresh, report, stored } from './common.js';
import { deep, generator, revoked } from './hostile.js';
import { ManaError } from './pkg/index.js';

const seed = Number(new URLSearchParams(location.search).get('seed') ?? 1);
const calls = Number(new URLSearchParams(location.search).get('calls') ?? 600);
const random = generator(seed);
const pick = (list) => list[Math.floor(random() * list.length)];
const stores = { tasks: 'id, dueDate, *tags', notes: 'id', drafts: '++id, &slug', pairs: '[a+b]', beside: '' };
const engine = await fresh({ schema: { version: 1, stores } });
const name = 'failures-1';
const closed = await fresh();
closed.close();

const cyclicList = [];
cyclicList.push(cyclicList);
const cyclic = { id: 'cyclic' };
cyclic.self = cyclic;
const throwing = {
  get title() {
    throw new Error('a getter of the app');
  },
};
class Model {
  id = pick(['a', 'model']);
  get secret() {
    throw new Error('on the prototype');
  }
}
const rejecting = new Proxy(
  {},
  {
    ownKeys() {
      throw new TypeError('a trap of the app');
    },
  },
);

const keys = ['a', 'b', 'c', 'd', 'e', 1, 2, 3, [1, 2], new Date(1), new Uint8Array([1])];
const wrongKeys = [
  undefined,
  null,
  Number.NaN,
  true,
  {},
  Symbol('s'),
  () => {},
  cyclicList,
  deep(5000),
  new Date('never'),
  '',
  'a\0b',
  'a\uD800',
  1n,
  revoked,
];
const values = ['text', 5, -0, null, true, ['x', 'y'], { deep: { er: [1] } }, new Date(7), undefined];
const wrongValues = [
  Number.NaN,
  1n,
  new Map([[1, 2]]),
  () => {},
  Symbol('v'),
  'cut \uD83D',
  'nul\0',
  deep(70),
  deep(20_000),
  cyclic,
  throwing,
  rejecting,
  new WeakMap(),
  Promise.resolve(1),
  revoked,
];
const fields = [
  'title',
  'tags',
  'dueDate',
  'n',
  'a',
  'b',
  'slug',
  'deep.er',
  'tags.0',
  'text.x',
  'deletedAt',
  'authorId',
  'spaceId',
  'visibility',
  'userId',
  '__proto__',
  'constructor',
  'a..b',
  '.',
  '',
  `${'x.'.repeat(5000)}y`,
];
const odd = () => (random() < 0.15 ? called(pick(wrongKeys)) : pick(keys));
const called = (value) => (value === revoked ? revoked() : value);
const value = () => (random() < 0.2 ? called(pick(wrongValues)) : pick(values));
const object = () => {
  if (random() < 0.1)
    return called(
      pick([null, undefined, 5, 'text', [], cyclic, throwing, rejecting, new Model(), new Map(), revoked, () => {}]),
    );
  const made = {};
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) made[pick(fields)] = value();
  return made;
};
const row = () => {
  const made = object();
  try {
    if (random() < 0.8 && !Array.isArray(made)) made.id = odd();
  } catch {
    // No object, revoked, or otherwise not to be changed: it is handed over as it is.
  }
  return made;
};
const list = (make) => {
  if (random() < 0.05) return pick([null, undefined, 5, 'ab', {}, new Set([1]), { length: 2 }]);
  return Array.from({ length: Math.floor(random() * 5) }, make);
};
const edit = () =>
  pick([
    (it) => {
      it.n = (it.n ?? 0) + 1;
    },
    () => object(),
    () => false,
    function () {
      if (this) delete this.value;
    },
    (_, context) => {
      if (context) context.value = object();
    },
    () => {
      throw new ManaError('internal', 'the app threw this');
    },
    async () => {},
  ]);
const names = ['tasks', 'tasks', 'tasks', 'notes', 'drafts', 'drafts', 'pairs', 'beside'];
const tableName = () =>
  random() < 0.05 ? pick(['nowhere', '_engine', '_changeLog', '__proto__', '', undefined, null, 5, {}]) : pick(names);

const onTable = [
  (table) => table.add(row(), ...maybe(odd)),
  (table) => table.put(row(), ...maybe(odd)),
  (table) => table.bulkAdd(list(row), ...maybe(() => pick([{ allKeys: true }, {}, null, list(odd), 5]))),
  (table) => table.bulkPut(list(row), ...maybe(() => pick([{ allKeys: true }, {}, null, list(odd), 5]))),
  (table) => table.update(odd(), random() < 0.7 ? object() : edit()),
  (table) => table.bulkUpdate(list(() => (random() < 0.9 ? { key: odd(), changes: object() } : object()))),
  (table) => table.upsert(odd(), object()),
  (table) => table.delete(odd()),
  (table) => table.bulkDelete(list(odd)),
  (table) => table.restore(odd()),
  (table) => table.purge(odd()),
  (table) => (random() < 0.1 ? table.clear(pick([undefined, { tombstones: true }, { tombstones: 5 }])) : table.count()),
  (table) => table.get(odd()),
  (table) => table.bulkGet(list(odd)),
  (table) =>
    table
      .toCollection()
      .limit(2)
      .modify(random() < 0.5 ? object() : edit()),
  (table) => table.filter((it) => it.n === 5).delete(),
];
const inTransaction = () =>
  engine.transaction(
    random() < 0.05 ? pick(['x', undefined, 5]) : pick(['rw', 'rw', 'r']),
    random() < 0.1 ? pick([[], undefined, 'nowhere', [5], ['tasks', 'nowhere']]) : ['tasks', 'drafts', pick(names)],
    async (tx) => {
      for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
        const call = pick(onTable)(tx.table(pick(['tasks', 'drafts', 'notes'])));
        const way = random();
        if (way < 0.5) await call.catch(() => {});
        else if (way < 0.75) await call;
      }
      if (random() < 0.1) tx.abort();
      if (random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 5));
      if (random() < 0.1) throw new ManaError('internal', 'the app threw this');
    },
  );

const strays = [];
const codes = {};
const settle = async (what, make) => {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it never settled')), 10_000);
  });
  try {
    await Promise.race([make(), limit]);
    codes.resolved = (codes.resolved ?? 0) + 1;
  } catch (error) {
    if (error instanceof ManaError && !(error.code === 'internal' && error.message !== 'the app threw this')) {
      codes[error.code] = (codes[error.code] ?? 0) + 1;
    } else strays.push(`${what}: ${error?.code} ${error?.name}: ${String(error?.message).slice(0, 200)}`);
  } finally {
    clearTimeout(timer);
  }
};
addEventListener('unhandledrejection', (event) => {
  // What the app's code in a transaction leaves unawaited is the app's; only strays count here.
  if (!(event.reason instanceof ManaError)) strays.push(`unhandled: ${event.reason}`);
  event.preventDefault();
});

for (let made = 0; made < calls; ) {
  const together = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
    made += 1;
    if (random() < 0.2) return settle('transaction', inTransaction);
    const from = random() < 0.02 ? closed : engine;
    const make = pick(onTable);
    return settle(String(make), async () => make(from.table(tableName())));
  });
  await Promise.all(together);
}

// It works as before, and what the log says of each record is what the record holds.
await engine.table('tasks').put({ id: 'last', title: 'works' });
const works = (await engine.table('tasks').get('last')).title;
const disagreements = await compare();
await engine.destroy({ force: true });
report({
  seed,
  works,
  strays: strays.slice(0, 10),
  disagreements: disagreements.slice(0, 10),
  died: (codes.engine_panicked ?? 0) + (codes.connection_lost ?? 0),
  kinds: Object.keys(codes).sort(),
  resolved: codes.resolved,
});

function maybe(make) {
  return random() < 0.2 ? [make()] : [];
}

/** Replays the log field by field; nothing was sent, so it says everything that was not purged. */
async function compare() {
  const said = new Map();
  for (const entry of await stored(name, '_changeLog')) {
    for (const change of entry.changes) {
      const record = `${change.table}/${change.id}`;
      const known = said.get(record) ?? {};
      const fields = { ...change.data };
      for (const [field, { value: logged }] of Object.entries(change.fields ?? {})) fields[field] = logged;
      if (change.op === 'delete') fields.deletedAt = change.deletedAt;
      said.set(record, { ...known, ...fields });
    }
  }
  const wrong = [];
  for (const table of ['tasks', 'notes']) {
    for (const record of await stored(name, table)) {
      const logged = said.get(`${table}/${record.id}`);
      said.delete(`${table}/${record.id}`);
      if (!logged) wrong.push(`${table}/${record.id} is not in the log`);
      else if (record.__purged === undefined) {
        for (const field of new Set([...Object.keys(logged), ...Object.keys(record)])) {
          if (field.startsWith('__') || ['_updatedAtIndex', 'id', 'spaceId', 'userId'].includes(field)) continue;
          const [a, b] = [sorted(logged[field] ?? null), sorted(record[field] ?? null)];
          if (a !== b) wrong.push(`${table}/${record.id}.${field}: logged ${a}, stored ${b}`);
        }
      }
    }
  }
  for (const record of said.keys()) wrong.push(`${record} is logged and not stored`);
  return wrong;
}

function sorted(json) {
  return JSON.stringify(json, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
