// What is sealed leaves no trace in plaintext: not on disk, not between tabs, not on the wire. And what happens without the key.
import { codeOf, options, report, stored, until } from './common.js';
import { openEngine } from './pkg/index.js';

const secret = 'unheard-of marmalade';
const name = 'failures-sealed';
const key = new Uint8Array(32).map((_, at) => at);

// Everything that leaves this page, by any way it has.
const said = [];
const post = BroadcastChannel.prototype.postMessage;
BroadcastChannel.prototype.postMessage = function (message) {
  said.push(JSON.stringify(message));
  return post.call(this, message);
};
const sent = [];
async function fetch(url, { body } = {}) {
  sent.push(typeof body === 'string' ? body : body ? await new Response(body).text() : '');
  const answer = { status: 'ok', service: 'mana-sync', protocol: 2, timestamp: new Date().toISOString() };
  return String(url).includes('/health') ? Response.json(answer) : Response.json({ code: 'busy' }, { status: 503 });
}
const sync = { url: 'http://localhost:9', getToken: () => 'token', fetch, webSocket: undefined };
const encryption = { fields: { tasks: ['title', 'notes'], notes: ['text'] }, format: 2 };
const all = { ...options, name, encryption, sync, vault: { waitMs: 3_000 } };

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
const disk = [];
for (const store of ['tasks', 'notes', '_changeLog', '_engine']) disk.push(JSON.stringify(await stored(name, store)));
const traces = [...disk, ...said, ...sent, JSON.stringify({ ...localStorage })].filter((text) =>
  text.includes('marmalade'),
);

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
  inTransaction: await codeOf(
    engine.transaction('rw', 'tasks', (tx) => tx.table('tasks').add({ id: 'd', title: 'x' })),
  ),
  wrongCode: await codeOf(engine.vault.unlock({ ...code, recoveryCode: code.recoveryCode.replace(/^..../, '0000') })),
  badCode: await codeOf(engine.vault.unlock({ ...code, recoveryCode: 'abc' })),
  badKey: await codeOf(engine.vault.unlock({ rawKey: new Uint8Array(31) })),
};
await engine.vault.unlock(code);
await until(() => seen.at(-1) === `${secret} again`);
const after = await tasks.get('a');
other.close();
strict.close();
await engine.destroy({ force: true });
report({
  refused,
  shown: { ...shown, dueDate: shown.dueDate.toISOString() },
  same: there.title === shown.title,
  traces: traces.map((text) => text.slice(0, 200)),
  pushed: sent.some((body) => body.includes('enc:2:0001')),
  without,
  seen,
  after: [after.title, after.place],
  states,
});
