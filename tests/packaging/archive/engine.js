// An app that opens its database, and what its archives have their job do.
import { openEngine } from './pkg/index.js';

const platform = crypto.subtle;
/** What jobs were asked: a name and what was given with it. */
const asked = [];
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (message, ...rest) {
  asked.push(message);
  return postMessage.call(this, message, ...rest);
};
const whole = (bytes) => bytes && Array.from(bytes);
let engine;
let file;

globalThis.device = {
  async open() {
    engine = await openEngine({
      name: 'archives',
      schema: { version: 1, stores: { tasks: 'id' } },
      apps: { todo: { tables: { tasks: {} } } },
      user: { id: 'ada' },
    });
    await engine.table('tasks').add({ id: 't1', title: 'Grüße 🚀' });
  },

  /** Lets the page have WebCrypto, or takes it away. */
  setPlatform(isThere) {
    Object.defineProperty(crypto, 'subtle', { value: isThere ? platform : undefined, configurable: true });
  },

  /** Saves an archive; gives the key that seals it, its salt, and whether the module made the key. */
  async save(passphrase) {
    asked.length = 0;
    file = (await engine.archive.export({ passphrase })).blob;
    const [, key, random] = asked.find(({ name }) => name === 'write').given;
    return { key: whole(key), salt: whole(random.slice(0, 16)), byModule: asked.some(({ name }) => name === 'derive') };
  },

  /** Brings a deleted row back from that archive; gives it, the keys that were tried, and whether the module made them. */
  async restore(passphrase) {
    asked.length = 0;
    await engine.table('tasks').delete('t1');
    await engine.archive.import(file, { passphrase, mode: 'overwrite' });
    const keys = asked.filter(({ name }) => name === 'unseal').map(({ given }) => whole(given[0]));
    const row = await engine.table('tasks').get('t1');
    return { title: row?.title, keys, byModule: asked.some(({ name }) => name === 'derive') };
  },
};
