// What is sealed leaves no trace in plaintext: not on disk, not between tabs, not on the wire. And what happens without the key.
import { codeOf, everything, options, report, until } from './common.js';
import { openEngine } from './pkg/index.js';
import { holding, kept, spellingsOf } from './traces.js';

const secret = 'unheard-of marmalade';
const name = 'failures-sealed';
const key = crypto.getRandomValues(new Uint8Array(32));

// Everything that leaves this page, by any way it has.
const said = [];
const post = BroadcastChannel.prototype.postMessage;
BroadcastChannel.prototype.postMessage = function (message) {
  said.push(JSON.stringify(message));
  return post.call(this, message);
};
const sent = [];
// The server has no time for pushes and pulls, unless it is told otherwise.
const server = { answers: false, log: [] };
async function fetch(url, { body } = {}) {
  const text = typeof body === 'string' ? body : body ? await new Response(body).text() : '';
  sent.push(text);
  const serverTime = new Date().toISOString();
  if (String(url).includes('/health')) {
    return Response.json({ status: 'ok', service: 'mana-sync', protocol: 2, timestamp: serverTime });
  }
  if (!server.answers) return Response.json({ code: 'busy' }, { status: 503 });
  if (String(url).includes('/push')) return Response.json({ protocol: 2, ...judged(JSON.parse(text)), serverTime });
  const changes = server.log.slice(Number(JSON.parse(text).cursor ?? 0));
  const page = { changes, cursor: String(server.log.length), hasMore: false, spaces: [], spacesAsOf: serverTime };
  return Response.json({ protocol: 2, ...page, serverTime });
}

/** Takes all changes but those of one record. What is sealed in them comes back in places where it cannot be applied. */
function judged({ changes }) {
  const [bad, good] = [changes.filter(({ id }) => id === 'refused'), changes.filter(({ id }) => id !== 'refused')];
  const envelope = JSON.stringify(changes).match(/enc:2:[^"]+/)?.[0];
  if (envelope) server.log.push(incoming('elsewhere', envelope, 0), incoming('a', envelope, 48 * 3_600_000));
  const rejected = bad.map(({ eventId }) => ({ eventId, code: 'invalid_change', message: 'no' }));
  return { accepted: good.map(({ eventId }) => eventId), rejected };
}

let count = 0;
function incoming(id, value, aheadMs) {
  count += 1;
  const at = new Date(Date.now() + aheadMs).toISOString();
  return {
    ...{
      eventId: `00000000-0000-7000-8000-${String(count).padStart(12, '0')}`,
      app: 'todo',
      schemaVersion: 1,
      table: 'tasks',
    },
    ...{ id, op: 'update', at, origin: 'user', spaceId: '_personal:u1', visibility: 'space' },
    fields: { title: { value, at } },
  };
}
const sync = { url: 'http://localhost:9', getToken: () => 'token', fetch, webSocket: undefined };
const encryption = { fields: { tasks: ['title', 'notes'], notes: ['text'] }, format: 2 };
const all = { ...options, name, encryption, sync, vault: { waitMs: 60_000 } };

const refused = {
  format: await codeOf(openEngine({ ...all, encryption: { fields: encryption.fields } })),
  indexed: await codeOf(openEngine({ ...all, encryption: { fields: { tasks: ['dueDate'] }, format: 2 } })),
  local: await codeOf(openEngine({ ...all, encryption: { fields: { drafts: ['text'] }, format: 2 } })),
};

const engine = await openEngine(all);
const tasks = engine.table('tasks');
const states = [];
engine.vault.state.subscribe((state) => states.push(state));

// A write that needs the key waits for it.
const waiting = tasks.add({ id: 'a', title: secret, notes: { deep: [secret] }, dueDate: new Date(0) });
await engine.vault.unlock({ rawKey: key });
await waiting;
await tasks.update('a', { 'notes.more': `${secret}!` });
await tasks
  .where('id')
  .equals('a')
  .modify((task) => {
    task.title += ' again';
  });
const shown = await tasks.get('a');

// Another tab has the key as soon as this one has.
const other = await openEngine({ ...all, sync: null });
await until(() => other.vault.state.current === 'unlocked');
const there = await other.table('tasks').get('a');

await until(() => sent.some((body) => body.includes('"tasks"')));
// What was refused, put aside and parked holds sealed values, too; and one more change waits in the log.
const control = 'said openly';
await tasks.add({ id: 'refused', title: `${secret} refused`, place: control });
server.answers = true;
await until(async () => {
  await engine.sync.syncNow();
  return (await kinds()).length === 3;
});
server.answers = false;
await tasks.add({ id: 'waits', title: `${secret} waits`, place: control });
async function kinds() {
  const { _engine: rows } = await everything(name);
  const all = rows.filter(({ row }) => JSON.stringify(row).includes('enc:2:')).map(({ row }) => row.kind);
  return [...new Set(all)].filter((kind) => ['letter', 'parked', 'quarantine'].includes(kind)).sort();
}

const disk = await kept(name);
const spellings = spellingsOf(key);
const scanned = {
  kinds: await kinds(),
  stores: Object.keys(await everything(name)).sort(),
  logged: disk.some((text) => text.startsWith('_changeLog') && text.includes(control)),
  letters: disk.some((text) => text.startsWith('_engine') && text.includes(control)),
  handedOver: holding(said, spellings).length > 0,
};
// Between tabs the key is handed over; it is nowhere else.
const traces = [...holding([...disk, ...said, ...sent], ['marmalade']), ...holding([...disk, ...sent], spellings)];

// Without the key: rows are shown with what is not sealed, and nothing is written.
const live = tasks.where('id').equals('a').live();
const seen = [];
live.subscribe((rows) => {
  const what = rows && (engine.isLocked(rows[0]) ? 'sealed' : rows[0].title);
  if (what && what !== seen.at(-1)) seen.push(what);
});
await until(() => seen.length > 0);
const code = await engine.vault.createRecoveryCode();
other.vault.lock();
await until(() => seen.at(-1) === 'sealed');
const locked = await tasks.get('a');
const strict = await openEngine({ ...all, sync: null, vault: { waitMs: 0 } });
const without = {
  state: engine.vault.state.current,
  dueDate: locked.dueDate.toISOString(),
  add: await codeOf(strict.table('tasks').add({ id: 'b', title: 'x' })),
  plain: await codeOf(strict.table('tasks').add({ id: 'c' })),
  elsewhere: await codeOf(strict.table('tasks').update('a', { place: locked.title })),
  back: (await tasks.update('a', { title: locked.title, place: 'here' })) === 1,
  modify: await tasks
    .where('id')
    .equals('a')
    .modify((task) => {
      task.place = 'there';
    }),
  function: await tasks.update('a', (task) => ({ place: `${task.place} and back` })),
  copied: (await tasks.put(structuredClone(await tasks.get('a')))) === 'a',
  local: await codeOf(engine.table('drafts').add({ text: locked.title })),
  // These wait for nothing, as short as the patience of the page is.
  inTransaction: await codeOf(
    engine.transaction('rw', 'tasks', (tx) => tx.table('tasks').add({ id: 'd', title: 'x' })),
  ),
  functionInTransaction: await codeOf(
    engine.transaction('rw', 'tasks', (tx) => tx.table('tasks').update('a', () => ({ title: 'x' }))),
  ),
  functionInTime: await codeOf(strict.table('tasks').update('a', () => ({ title: 'x' }))),
  wrongCode: await codeOf(engine.vault.unlock({ ...code, recoveryCode: code.recoveryCode.replace(/^..../, '0000') })),
  badCode: await codeOf(engine.vault.unlock({ ...code, recoveryCode: 'abc' })),
  badKey: await codeOf(engine.vault.unlock({ rawKey: new Uint8Array(31) })),
};
// What has to know the row waits for the key as well, and sees the row as it is then.
const late = [
  tasks.update('refused', (task) => ({ title: `${task.title} and mended` })),
  tasks
    .where('id')
    .equals('waits')
    .modify((task) => {
      task.title += ' no more';
    }),
];
await engine.vault.unlock(code);
await Promise.all(late);
const mended = (await tasks.bulkGet(['refused', 'waits'])).map(({ title }) => title);
await until(() => seen.at(-1) === `${secret} again`);
const after = await tasks.get('a');
other.close();
strict.close();
await engine.destroy({ force: true });
report({
  refused,
  shown: { ...shown, dueDate: shown.dueDate.toISOString() },
  same: there.title === shown.title,
  scanned,
  traces,
  pushed: sent.some((body) => body.includes('enc:2:0001')),
  without,
  seen,
  mended,
  after: [after.title, after.place],
  states,
});
