// Every call of the package with what it does not take: what is answered otherwise than `invalid_argument` is told.
import { codeOf, options } from './common.js';
import { openEngine } from './pkg/index.js';

const { revoke, proxy } = Proxy.revocable({}, {});
revoke();
const stores = { a: 'id' };
const table = (wrong) => ({ apps: { x: { tables: { a: wrong } } } });

/** Options that cannot be meant. */
const openings = {
  nothing: undefined,
  null: null,
  text: 'name',
  revoked: proxy,
  noName: { name: undefined },
  emptyName: { name: '' },
  numberAsName: { name: 5 },
  noSchema: { schema: undefined },
  nullStores: { schema: { version: 1, stores: null } },
  nullStore: { schema: { version: 1, stores: { a: null } } },
  listOfStores: { schema: { version: 1, stores: ['a'] } },
  noVersion: { schema: { stores } },
  textAsVersion: { schema: { version: '1', stores } },
  upgradeByWord: { schema: { version: 1, stores, upgrades: { two: () => {} } } },
  upgradeOfNothing: { schema: { version: 1, stores, upgrades: { 2: null } } },
  upgradesAsList: { schema: { version: 1, stores, upgrades: [] } },
  nullApp: { apps: { x: null } },
  appWithoutTables: { apps: { x: {} } },
  appsAsList: { apps: [] },
  appThatSyncsSomehow: { apps: { x: { sync: 'later', tables: {} } } },
  appOfTextVersion: { apps: { x: { schemaVersion: '1', tables: {} } } },
  nullTable: table(null),
  datesAsText: table({ dates: 'due' }),
  datesOfNumbers: table({ dates: [5] }),
  unknownScope: table({ scope: 'usr' }),
  numberAsSyncName: table({ syncName: 5 }),
  userAsText: { user: 'u' },
  userWithoutId: { user: {} },
  userNamedByNumber: { user: { id: 'u', displayName: 5 } },
  nullSpace: { spaces: [null] },
  spacesAsText: { spaces: 's1' },
  spaceWithoutType: { spaces: [{ id: 's' }] },
  spaceOfNumberRole: { spaces: [{ id: 's', type: 'family', role: 5 }] },
  numberAsActiveSpace: { activeSpaceId: 5 },
  syncAsText: { sync: 'http://127.0.0.1' },
  syncWithoutToken: { sync: { url: 'http://127.0.0.1' } },
  syncWithoutUrl: { sync: { getToken: () => null } },
  durability: { durability: 'strickt' },
  fieldsAsText: { encryption: { format: 2, fields: { a: 'title' } } },
  encryptionAsText: { encryption: 'all' },
  vaultAsText: { vault: 'open' },
  textAsWait: { vault: { waitMs: 'long' } },
  moduleAsObject: { module: {} },
  moduleAsNumber: { module: 5 },
  handlersAsList: { on: [] },
  handlerAsNumber: { on: { change: 5 } },
  unknownEvent: { on: { chnage: () => {} } },
};

/** Calls that cannot be meant, each with its own engine's table and query. */
const calls = {
  on: (engine) => [
    () => engine.on('nope', () => {}),
    () => engine.on(undefined, () => {}),
    () => engine.on('change', undefined),
    () => engine.conflicts.subscribe(null),
    () => engine.sync.status.subscribe(undefined),
    () => engine.vault.state.subscribe({}),
  ],
  spaces: (engine) => [
    () => engine.setActiveSpace(5),
    () => engine.setActiveSpace({}),
    () => engine.setActiveSpace(undefined),
    () => engine.setSpaces(undefined),
    () => engine.setSpaces([null]),
    () => engine.setSpaces([{ id: 5, type: 'family' }]),
    () => engine.setSpaces([], null),
    () => engine.setSpaces([], { confirmTypeChange: [5] }),
    () => engine.setSpaces([], { confirmTypeChange: 's1' }),
  ],
  users: (engine) => [
    () => engine.setUser(undefined),
    () => engine.setUser('u1'),
    () => engine.setUser({ id: 5 }),
    () => engine.setUser(null, null),
    () => engine.signOut(null),
    () => engine.destroy(null),
    () => engine.destroy(true),
    () => engine.as('somebody'),
    () => engine.as(null),
    () => engine.as({ kind: 'robot', principalId: 'r' }),
    () => engine.as({ kind: 'ai' }),
    () => engine.as(proxy),
  ],
  inspection: (engine) => [
    () => engine.inspector.record(undefined, 'a'),
    () => engine.inspector.record(5, 'a'),
    () => engine.inspector.log('x'),
    () => engine.inspector.log(-1),
    () => engine.conflicts.restore(null),
    () => engine.conflicts.restore({}),
    () => engine.isLocked(null),
    () => engine.vault.unlock(null),
  ],
  tables: (engine) => [
    () => engine.table(undefined),
    () => engine.transaction('rw!', 'tasks', () => {}),
    () => engine.transaction('rw', [], () => {}),
    () => engine.transaction('rw', [5], () => {}),
    () => engine.transaction('rw', 'tasks', undefined),
    () => engine.transaction('rw', 'tasks', (tx) => tx.table(5)),
  ],
  writes: (_engine, tasks) => [
    () => tasks.add(undefined),
    () => tasks.add(proxy),
    () => tasks.bulkAdd(null),
    () => tasks.bulkAdd(null, ['k']),
    () => tasks.bulkPut([null]),
    () => tasks.update('a', null),
    () => tasks.update('a', 'title'),
    () => tasks.upsert('a', undefined),
    () => tasks.bulkUpdate([null]),
    () => tasks.bulkUpdate({}),
    () => tasks.bulkDelete('a'),
    () => tasks.bulkGet('a'),
    () => tasks.toCollection().modify(undefined),
    () => tasks.toCollection().modify(async () => {}),
  ],
  queries: (_engine, tasks) => [
    () => tasks.where(undefined),
    () => tasks.where(null),
    () => tasks.where({}),
    () => tasks.where({ dueDate: proxy }),
    () => tasks.where('dueDate').equals(proxy),
    () => tasks.where('dueDate').equals(null).toArray(),
    () => tasks.where('dueDate').anyOf(null).toArray(),
    () => tasks.where('dueDate').startsWithAnyOf(undefined).toArray(),
    () => tasks.where('dueDate').inAnyRange(null),
    () => tasks.where('dueDate').inAnyRange([['a']]),
    () => tasks.where('dueDate').inAnyRange([['a', 'b']], null),
    () => tasks.orderBy(undefined),
    () => tasks.filter(undefined),
    () => tasks.toCollection().and('done'),
    () => tasks.until(null),
    () => tasks.limit(-1),
    () => tasks.limit('5'),
    () => tasks.offset(0.5),
    () => tasks.where('id').equals('a').or(undefined),
    () => tasks.sortBy(undefined),
    () => tasks.each(undefined),
    () => tasks.eachKey('key'),
    () => tasks.live().subscribe(undefined),
    () => tasks.live()[Symbol.observable ?? '@@observable']().subscribe(null),
  ],
};

/** Gives what was not refused as it should be, by the place in the tables above, and how many calls there were. */
export async function wrongArguments(engine) {
  const others = {};
  let count = 0;
  const check = async (name, call) => {
    count += 1;
    const code = await codeOf(Promise.resolve().then(call));
    if (code !== 'invalid_argument') others[name] = code;
  };
  for (const [name, wrong] of Object.entries(openings)) {
    const isWhole = typeof wrong !== 'object' || wrong === null || wrong === proxy;
    await check(name, () => openEngine(isWhole ? wrong : { ...options, ...base(name), ...wrong }));
  }
  for (const [name, list] of Object.entries(calls)) {
    for (const [at, call] of list(engine, engine.table('tasks')).entries()) await check(`${name}[${at}]`, call);
  }
  return { others, count };
}

function base(name) {
  return { name: `wrong-${name}`, schema: { version: 1, stores }, apps: {} };
}
