// A device that writes archives and takes them in, without any app around it.
import { tokenFor } from '../../support/page/token.js';
import { openEngine } from './pkg/index.js';

let engine;
/** Archives by name, as a person keeps files. */
const files = new Map();

/** What a call came to, or the code it was refused with. */
const orCode = (call) =>
  call.then(
    (answer) => answer,
    ({ code, name }) => (typeof code === 'string' ? code : name),
  );

globalThis.device = {
  async open(server, user, key, version = 3, todo = {}) {
    engine = await openEngine({
      name: `archive-${user}`,
      schema: {
        version,
        stores: { tasks: 'id', projects: 'id', emptyTable: 'id', userSettings: 'id', drafts: 'id' },
      },
      apps: {
        todo: { tables: { tasks: {}, projects: {}, emptyTable: {} }, ...todo },
        settings: { tables: { userSettings: { scope: 'user' } } },
      },
      user: { id: user },
      encryption: { fields: { tasks: ['title', 'notes'] }, format: 2 },
      vault: { waitMs: 0 },
      sync: server && { url: server, getToken: () => tokenFor(server, user) },
    });
    if (key) await this.unlock(key);
  },

  unlock: (key) => engine.vault.unlock({ rawKey: new Uint8Array(32).fill(key) }),
  lock: () => engine.vault.lock(),
  add: (table, rows) => engine.table(table).bulkAdd(rows),
  update: (table, id, changes) => engine.table(table).update(id, changes),
  delete: (table, id) => engine.table(table).delete(id),
  setSpaces: (spaces) => engine.setSpaces(spaces),
  rowsEverywhere: (table) => engine.table(table).acrossSpaces().toArray(),
  rows: (table) => engine.table(table).toArray(),
  fill: (count) =>
    engine
      .table('projects')
      .bulkAdd(
        Array.from({ length: count }, (_, n) => ({ id: `p${String(n).padStart(7, '0')}`, name: `Project ${n}`, n })),
      ),

  fillLarge: (count, bytes) =>
    engine
      .table('projects')
      .bulkAdd(Array.from({ length: count }, (_, n) => ({ id: `p${n}`, name: 'x'.repeat(bytes) }))),

  async sync() {
    do await engine.sync.syncNow();
    while (engine.sync.status.current.pending > 0);
  },

  /** Writes an archive and keeps it; gives what is said of it, with how often progress was told. */
  export(name, options = {}) {
    const told = [];
    const writing = engine.archive.export({ ...options, onProgress: (progress) => told.push(progress) });
    return orCode(
      writing.then(({ blob, ...said }) => {
        files.set(name, blob);
        return { ...said, bytes: blob.size, told };
      }),
    );
  },

  inspect: (name) => orCode(engine.archive.inspect(files.get(name))),
  import: (name, options) => orCode(engine.archive.import(files.get(name), options)),

  /** How often progress of each phase is told while a file is looked at. */
  async looks(name) {
    const told = { key: 0, file: 0, rows: 0 };
    const onProgress = ({ phase }) => {
      told[phase] += 1;
    };
    await engine.archive.import(files.get(name), { dryRun: true, onProgress });
    return told;
  },

  /** Ends it midway, while `projects` go out or come in, by `cancel` or `close`; gives what it rejects with. */
  async ended(what, name, by) {
    const over = new AbortController();
    const ends = { cancel: () => over.abort(), close: () => engine.close() };
    const onProgress = ({ phase, table }) => phase === 'rows' && table === 'projects' && ends[by]();
    const options = { signal: over.signal, onProgress };
    const going = what === 'import' ? engine.archive.import(files.get(name), options) : engine.archive.export(options);
    return going.then(
      () => 'it went through',
      ({ code, cause, details }) => ({ code, cause: cause?.name, applied: details?.applied }),
    );
  },

  /** A file as text, which can leave the page; and one that came so. */
  async give(name) {
    const bytes = new Uint8Array(await files.get(name).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  },
  take: (name, text) => files.set(name, new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))])) && undefined,

  /** A file with one byte changed. */
  async damage(name, as, at) {
    const bytes = new Uint8Array(await files.get(name).arrayBuffer());
    bytes[at < 0 ? bytes.length + at : at] ^= 1;
    files.set(as, new Blob([bytes]));
  },
};
