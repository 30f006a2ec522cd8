// Keys that are awkward: made by the browser, of several kinds, with half an emoji in them, and paths that end in a length.
import { codeOf, fresh, report, stored, until } from './common.js';
import { openEngine } from './pkg/index.js';

const half = 'cut \ud83d';
const stores = {
  todo: '++id, [done+id]',
  tagged: 'id, tags.length, file.size',
  named: 'id, name',
  pairs: '[a+b]',
  dated: 'at',
  tasks: 'id',
};
const schema = { version: 1, stores };
const engine = await fresh({ schema, apps: { todo: { tables: { tasks: {} } } } });

/** What a live query shows once `wanted` rows are there, and what is read then. */
async function liveAnd(query, wanted, write) {
  const handle = query.live();
  const off = handle.subscribe(() => {});
  await until(() => handle.status === 'ready');
  await write();
  await until(() => handle.current?.length === wanted).catch(() => {});
  const shown = handle.current?.length;
  off();
  return [shown, await query.count()];
}

const generated = await liveAnd(
  engine
    .table('todo')
    .where('[done+id]')
    .between([0, Number.NEGATIVE_INFINITY], [0, [[]]]),
  1,
  () => engine.table('todo').add({ done: 0 }),
);
const lengths = await liveAnd(engine.table('tagged').where('tags.length').equals(2), 1, () =>
  engine.table('tagged').add({ id: 'a', tags: ['x', 'y'], file: new Blob(['12345']) }),
);
const sizes = await engine.table('tagged').where({ 'file.size': 5, id: 'a' }).count();

const named = engine.table('named');
const halves = await codeOf(named.bulkAdd([{ id: 'ok', name: 'whole' }, { id: half }, { id: 'cut', name: half }]));
const after = {
  stored: (await stored('failures-1', 'named')).map(({ id }) => id),
  ids: await named.toCollection().primaryKeys(),
  names: await named.orderBy('name').keys(),
  listed: (await named.orderBy('name').toArray()).map(({ id }) => id),
};

// Another tab hears which rows changed, whatever their keys are.
const other = await openEngine({
  name: 'failures-1',
  schema,
  apps: { todo: { tables: { tasks: {} } } },
  user: { id: 'u1' },
});
const heard = [];
other.on('change', (tables) => heard.push(...tables.flatMap(({ ids }) => ids)));
await engine.table('pairs').put({ a: 1, b: 'x' });
await engine.table('dated').put({ at: new Date(5) });
await until(() => heard.length >= 2).catch(() => {});
other.close();

// What cannot be read is refused, and neither tears the transaction nor keeps it waiting.
const buffer = new ArrayBuffer(8);
structuredClone(buffer, { transfer: [buffer] });
const unreadable = {};
for (const [name, value] of Object.entries({ detached: buffer, date: Object.create(Date.prototype) })) {
  const codes = [];
  codes.push(
    await codeOf(
      engine.transaction('rw', ['tasks', 'dated'], async (tx) => {
        await tx.table('tasks').put({ id: name });
        codes.push(await codeOf(tx.table('dated').put({ at: value })));
        await tx.table('tasks').put({ id: `${name} and after` });
      }),
    ),
  );
  unreadable[name] = codes;
}
const logged = (await engine.inspector.log()).flatMap(({ changes }) => changes.map(({ id }) => id)).sort();
const records = (await engine.table('tasks').toCollection().primaryKeys()).sort();
await engine.destroy({ force: true });

const versions = {};
for (const version of [0, -1, 1.5, 429_496_730]) {
  versions[version] = await codeOf(
    openEngine({ name: 'failures-version', schema: { version, stores }, user: { id: 'u1' } }),
  );
}
report({
  generated,
  lengths,
  sizes,
  halves,
  after,
  heard: heard.map((key) => (key instanceof Date ? key.getTime() : key)),
  unreadable,
  torn: records.join() !== logged.join(),
  versions,
});
