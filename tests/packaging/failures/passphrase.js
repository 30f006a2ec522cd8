// A passphrase wraps the key and opens the vault whether the browser derives the key or the module does, and a lock that comes meanwhile wins.
import { codeOf, options, report } from './common.js';
import { openEngine } from './pkg/index.js';

// The worked example of docs/encryption.md.
const key = new Uint8Array(32).map((_, at) => at);
const wrapped = {
  kdf: 'PBKDF2-SHA256',
  iterations: 600_000,
  salt: 'sLGys7S1tre4ubq7vL2+vw==',
  iv: 'oKGio6Slpqeoqaqr',
  ciphertext: 'nJvhL9bcy4oMbz83+AqwqgbGjsNqTfpHQwy1tdyAxWtIEAZ8YTGYiT/RH1+AC6yT',
};
const decomposed = 'Fu\u0308ße';

const encryption = { fields: { tasks: ['title'] }, format: 2 };
const { vault, ...engine } = await opened();
await vault.unlock({ rawKey: key });
await engine.tasks.add({ id: 'a', title: 'jam' });

const derivations = [];
const { deriveBits } = SubtleCrypto.prototype;
SubtleCrypto.prototype.deriveBits = function (how, ...rest) {
  derivations.push(how.iterations);
  return deriveBits.call(this, how, ...rest);
};

async function tried() {
  vault.lock();
  const wrong = await codeOf(vault.unlock({ passphrase: 'Fuesse', wrapped }));
  const state = vault.state.current;
  await vault.unlock({ passphrase: decomposed, wrapped });
  const { title } = await engine.tasks.get('a');
  const { salt, iv, ciphertext, ...how } = await vault.createPassphraseWrap(decomposed);
  vault.lock();
  const locked = await codeOf(vault.createPassphraseWrap('jam'));
  await vault.unlock({ passphrase: decomposed.normalize('NFC'), wrapped: { ...how, salt, iv, ciphertext } });
  const again = (await engine.tasks.get('a')).title;
  return { wrong, state, title, how, lengths: [salt, iv, ciphertext].map(({ length }) => length), locked, again };
}

const byBrowser = await tried();
vault.lock();
const unlocking = codeOf(vault.unlock({ passphrase: decomposed, wrapped }));
vault.lock();
const meanwhile = { code: await unlocking, state: vault.state.current };
await vault.unlock({ rawKey: key });
const wrapping = codeOf(vault.createPassphraseWrap(decomposed));
vault.lock();
const wrappedMeanwhile = await wrapping;
const many = derivations.length;
// As on pages that came over plain HTTP.
Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
const byModule = await tried();
await engine.destroy();
report({ byBrowser, meanwhile, wrappedMeanwhile, byModule, derivations: [many, derivations.length] });

async function opened() {
  const db = await openEngine({ ...options, name: 'failures-passphrase', encryption, vault: { waitMs: 0 } });
  return { vault: db.vault, tasks: db.table('tasks'), destroy: () => db.destroy({ force: true }) };
}
