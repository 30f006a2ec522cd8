// Locked, signed out or closed, no instance of the module holds a key, a code or a passphrase: all its memory is searched.
import { options, report, until } from './common.js';
// Before the package, whose instances it is to see.
import { bytesOf, found, textOf } from './memory.js';
import { openEngine } from './pkg/index.js';

const encryption = { fields: { tasks: ['title'], notes: ['text'] }, format: 2 };
const passphrase = 'battery of 4711 horses, stäpled';
const outcome = { there: {}, left: {} };
let opened = 0;

/** Two tabs with the same database, and a key for them. */
async function tabs() {
  opened += 1;
  const all = { ...options, name: `failures-lock-scan-${opened}`, encryption, vault: { waitMs: 60_000 } };
  return {
    one: await openEngine(all),
    other: await openEngine(all),
    key: crypto.getRandomValues(new Uint8Array(32)),
  };
}

const both = (one, other, state) =>
  until(() => one.vault.state.current === state && other.vault.state.current === state);

/** Uses the key for what it is for, in both tabs, and gives what is secret about it. */
async function used({ one, other, key }) {
  await both(one, other, 'unlocked');
  const rows = Array.from({ length: 30 }, (_, n) => ({ id: `${n}`, title: `jam ${n}` }));
  await one.table('tasks').bulkPut(rows);
  await other.table('tasks').update('3', { title: 'marmalade' });
  await one.table('tasks').toArray();
  const { recoveryCode, recoveryWrappedMk, recoveryIv } = await other.vault.createRecoveryCode();
  const code = Uint8Array.from(recoveryCode.replaceAll('-', '').match(/../g), (pair) => Number.parseInt(pair, 16));
  const wrapKey = new Uint8Array(await derived('HKDF', code, { hash: 'SHA-256', salt: new Uint8Array(), info }));
  const secrets = { ...bytesOf('key', key), ...bytesOf('code', code), ...textOf('code as text', recoveryCode) };
  return {
    code: { recoveryCode, recoveryWrappedMk, recoveryIv },
    secrets: { ...secrets, ...bytesOf('wrap key', wrapKey) },
  };
}

const info = new TextEncoder().encode('mana-recovery-v1');

async function derived(name, from, how) {
  const imported = await crypto.subtle.importKey('raw', from, name, false, ['deriveBits']);
  return crypto.subtle.deriveBits({ name, ...how }, imported, 256);
}

/** Keeps whether the key was there, and what of the secrets is left when none may be. */
async function ended(name, secrets, end) {
  outcome.there[name] = found(secrets).includes('key');
  await end();
  // What ends in a later turn: messages that are on their way, calls that are answered.
  await new Promise((resolve) => setTimeout(resolve, 50));
  outcome.left[name] = found(secrets);
}

async function locked() {
  const all = await tabs();
  const { one, other, key } = all;
  const lock = async () => {
    one.vault.lock();
    await both(one, other, 'locked');
  };
  await one.vault.unlock({ rawKey: key });
  const { code, secrets } = await used(all);
  await ended('locked', secrets, lock);
  await other.vault.unlock(code);
  await both(one, other, 'unlocked');
  await ended('unlocked by the code, and locked', secrets, lock);
  await other.vault.unlock(code);
  await both(one, other, 'unlocked');
  const wrapped = await one.vault.createPassphraseWrap(passphrase);
  const salt = Uint8Array.from(atob(wrapped.salt), (char) => char.charCodeAt(0));
  const typed = new TextEncoder().encode(passphrase);
  const how = { hash: 'SHA-256', salt, iterations: wrapped.iterations };
  const pbkdf2 = new Uint8Array(await derived('PBKDF2', typed, how));
  const words = { ...secrets, ...textOf('passphrase', passphrase), ...bytesOf('derived key', pbkdf2) };
  await lock();
  await one.vault.unlock({ passphrase, wrapped });
  await both(one, other, 'unlocked');
  await ended('unlocked by the passphrase, and locked', words, lock);
  const { subtle } = crypto;
  // As on pages that came over plain HTTP.
  Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
  await one.vault.unlock({ passphrase, wrapped });
  await both(one, other, 'unlocked');
  await ended('unlocked by the passphrase without WebCrypto, and locked', words, lock);
  Object.defineProperty(crypto, 'subtle', { value: subtle, configurable: true });
  await Promise.all([one.close(), other.close()]);
}

/** In each tab, the key goes as that tab ends; gives that it did. */
async function gone(name, end) {
  const all = await tabs();
  await all.one.vault.unlock({ rawKey: all.key });
  const { secrets } = await used(all);
  await ended(name, secrets, () => end(all));
  for (const engine of [all.one, all.other]) engine.close();
}

await locked();
await gone('signed out', async ({ one, other }) => {
  await one.setUser(null);
  await both(one, other, 'locked');
});
await gone('signed out and closed', async ({ one, other }) => {
  await one.signOut();
  await until(() => other.vault.state.current === 'locked');
});
await gone('destroyed', async ({ one, other }) => {
  await one.destroy({ force: true });
  await until(() => other.vault.state.current === 'locked');
});
await gone('closed', async ({ one, other }) => {
  one.close();
  other.close();
});
report(outcome);
