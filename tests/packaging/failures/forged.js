// A server that puts something else in place of sealed values: what was there is shown on, and can be written again.
import { options, report, stored, until } from './common.js';
import { openEngine } from './pkg/index.js';

const name = 'failures-forged';
const key = new Uint8Array(32).fill(7);
const log = [];
const pushed = [];

async function fetch(url, { body } = {}) {
  const serverTime = new Date().toISOString();
  const asked = body ? JSON.parse(typeof body === 'string' ? body : await new Response(body).text()) : {};
  if (String(url).includes('/health')) {
    return Response.json({ status: 'ok', service: 'mana-sync', protocol: 2, timestamp: serverTime });
  }
  if (String(url).includes('/push')) {
    pushed.push(...asked.changes);
    const accepted = asked.changes.map(({ eventId }) => eventId);
    return Response.json({ protocol: 2, accepted, rejected: [], serverTime });
  }
  const changes = log.slice(Number(asked.cursor ?? 0));
  const answer = { changes, cursor: String(log.length), hasMore: false, spaces: [], spacesAsOf: serverTime };
  return Response.json({ protocol: 2, ...answer, serverTime });
}

const engine = await openEngine({
  ...options,
  name,
  encryption: { fields: { tasks: ['title', 'notes'] }, format: 2 },
  sync: { url: 'http://localhost:9', getToken: () => 'token', fetch, webSocket: undefined },
});
const tasks = engine.table('tasks');
const told = [];
engine.on('integrity', (what) => told.push(what));
await engine.vault.unlock({ rawKey: key });
await tasks.bulkAdd([
  { id: 'a', title: 'mine', notes: 'a note' },
  { id: 'b', title: 'another' },
]);
await engine.sync.syncNow();
// Since when the fields are sealed is said in the background.
await until(async () => pushed.some(({ table }) => table === 'keyring') || (await engine.sync.syncNow()));

const seen = [];
tasks
  .where('id')
  .equals('a')
  .live()
  .subscribe((rows) => {
    if (rows) seen.push(typeof rows[0].title === 'string' ? rows[0].title : 'sealed');
  });
await until(() => seen.length > 0);

let sent = 0;
async function put(value) {
  sent += 1;
  const at = new Date(Date.now() + 2_000 * sent).toISOString();
  log.push({
    ...{ eventId: `00000000-0000-7000-8000-00000000000${sent}`, app: 'todo', schemaVersion: 1, table: 'tasks' },
    ...{ id: 'a', op: 'update', at, origin: 'user', spaceId: '_personal:u1', visibility: 'space' },
    fields: { title: { value, at } },
  });
  await engine.sync.syncNow();
}
const row = async (id = 'a') => (await stored(name, 'tasks')).find((one) => one.id === id);

await put((await row('b')).title);
await put('made up');
const attacked = {
  shown: (await tasks.get('a')).title,
  stored: (await row()).title,
  codes: told.map(({ code }) => code),
};
const hidden = '__shadow' in (await tasks.get('a'));
const same = await tasks.put(await tasks.get('a')).then(async () => (await row()).title === 'made up');

engine.vault.lock();
await put({ made: 'up' });
const locked = engine.isLocked(await tasks.get('a'));
await engine.vault.unlock({ rawKey: key });
await until(() => told.length === 3);
const unlocked = (await tasks.get('a')).title;

await engine.conflicts.restore(told[2].kept);
const after = await row();
const restored = { sealed: after.title.startsWith('enc:2:0001'), shadow: '__shadow' in after };
const kept = told.map(({ kept: { local, incoming } }) => [local.value, incoming.value]);
const shown = [(await tasks.get('a')).title, (await tasks.get('a')).notes, (await tasks.get('b')).title];
await engine.destroy({ force: true });
report({ attacked, hidden, same, locked, unlocked, restored, kept, shown, seen: [...new Set(seen)] });
