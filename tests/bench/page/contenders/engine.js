// The engine, through its package as an app uses it.
import { schema, sealedFields } from '../records.js';
import { NoSocket, PageServer } from '../wire.js';

/** `name` is the directory under /engines/ that holds the package. */
export async function engine(name) {
  const module = await import(`/engines/${name}/index.js`);
  return new EngineContender(name, module);
}

class EngineContender {
  constructor(name, { openEngine }) {
    this.name = name;
    this.openEngine = openEngine;
    this.seals = true;
  }

  /** With `syncs` it pulls from a server inside the page; with `seals` three fields of each record are sealed. */
  async open({ syncs = false, seals = false } = {}) {
    const name = `engine-${this.name}`;
    await new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = resolve;
      request.onerror = reject;
    });
    const server = new PageServer();
    const sync = { url: location.origin, getToken: () => 'token', fetch: server.fetch, webSocket: NoSocket };
    const db = await this.openEngine({
      name,
      schema: { version: 1, stores: { records: schema } },
      apps: { bench: { tables: { records: {} } } },
      user: { id: 'u1' },
      ...(syncs ? { sync } : {}),
      ...(seals ? { encryption: { fields: { records: sealedFields }, format: 2 } } : {}),
    });
    if (seals) await db.vault.unlock({ rawKey: new Uint8Array(32).fill(7) });
    if (syncs) await db.sync.syncNow();
    return { db, server, records: db.table('records') };
  }

  close({ db }) {
    return db.destroy({ force: true });
  }

  async bulkAdd({ records }, rows) {
    await records.bulkAdd(rows);
  }

  async add({ records }, row) {
    await records.add(row);
  }

  async overwrite({ records }, rows) {
    await records.bulkPut(rows);
  }

  async save({ records }, rows) {
    await records.bulkPut(rows);
  }

  /** From the moment the first answer is handed over to the commit of the last page. */
  async apply({ db, server }, pages, size) {
    let left = size;
    let done = 0;
    const off = db.on('change', (tables) => {
      for (const { ids } of tables) left -= ids.length;
      if (left <= 0) done ||= performance.now();
    });
    server.deliver(pages);
    await db.sync.syncNow();
    off();
    if (done === 0) throw new Error(`${left} of ${size} changes were not applied`);
    return done - server.handedOver;
  }

  /** Derives the key on whichever path `unlock` takes in this browser. */
  unlock({ db }, passphrase, wrapped) {
    return db.vault.unlock({ passphrase, wrapped });
  }

  readAll({ records }) {
    return records.toArray();
  }

  get({ records }, id) {
    return records.get(id);
  }

  getMany({ records }, ids) {
    return records.bulkGet(ids);
  }

  list({ records }, projectId, limit) {
    const key = '[projectId+dueDate]';
    return records.where(key).between([projectId, ''], [projectId, '\uffff']).limit(limit).toArray();
  }

  watch({ records }, queries, onRows) {
    const ends = queries.map(({ projectId }, at) => {
      const query = projectId ? records.where('projectId').equals(projectId) : records.toCollection();
      return query.live().subscribe((rows) => rows && onRows(at, rows));
    });
    return () => {
      for (const end of ends) end();
    };
  }
}
