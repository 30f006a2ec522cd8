// A device with a vault, without any app around it: what the test tells it to do, and what it then holds.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

const name = 'vault';
const fields = { notes: ['text'] };
let engine;

const bytes = (key) => (typeof key === 'number' ? new Uint8Array(32).fill(key) : Uint8Array.from(key));

globalThis.device = {
  /** Opens the database; `key`: every byte of the key, its 32 bytes, or a recovery code or passphrase with what it opens. */
  async open(server, key) {
    engine = await openEngine({
      name,
      schema: { version: 1, stores: { notes: 'id' } },
      apps: { diary: { tables: { notes: {} } } },
      user: { id: 'ada' },
      encryption: { fields, format: 2 },
      vault: { waitMs: 0 },
      sync: { url: server, getToken: () => tokenFor(server) },
    });
    await this.unlock(key);
  },

  unlock: (key) => engine.vault.unlock(key.recoveryCode || key.passphrase ? key : { rawKey: bytes(key) }),
  /** The key wrapped with a passphrase, or the code of why it is not. */
  wrap: (passphrase) => engine.vault.createPassphraseWrap(passphrase).catch(({ code }) => code),
  state: () => engine.vault.state.current,
  add: (ids) => engine.table('notes').bulkAdd(ids.map((id) => ({ id, text: `the secret of ${id}` }))),
  put: (row) => engine.table('notes').put(row),
  delete: (id) => engine.table('notes').delete(id),
  edit: (id, text) =>
    engine
      .table('notes')
      .update(id, { text })
      .then(
        () => 'written',
        ({ code }) => code,
      ),

  async sync() {
    do await engine.sync.syncNow();
    while (engine.sync.status.current.pending > 0);
  },

  /** Changes the key; gives what the app was to keep. */
  async rotate(to) {
    let kept;
    await engine.vault.rotate({
      newKey: bytes(to),
      persist: (wrapped) => {
        kept = wrapped;
      },
    });
    return kept;
  },

  /** What is shown of the notes, by id. */
  async shown() {
    const rows = await engine.table('notes').toArray();
    return Object.fromEntries(rows.map((row) => [row.id, engine.isLocked(row) ? 'locked' : row.text]));
  },

  /** The names of the keys that the stored notes are sealed under, each once. */
  async sealedUnder() {
    const db = await new Promise((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const rows = await new Promise((resolve, reject) => {
      const request = db.transaction('notes').objectStore('notes').getAll();
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    db.close();
    return [...new Set(rows.map(({ text }) => /^enc:2:(\d{4})/.exec(text)?.[1] ?? 'plaintext'))].sort();
  },
};
