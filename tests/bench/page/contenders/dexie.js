// Dexie 4: bare, and with the hooks and the deferred change log of an app that syncs on top of it.
import { Dexie, liveQuery } from '/dexie.js';
import { schema } from '../records.js';
import { freshStamp } from '../wire.js';
import { actor, mark } from './forms.js';

export const bareDexie = () => new DexieContender('Dexie');
export const hookedDexie = () => new HookedContender('Dexie, hooks');

class DexieContender {
  constructor(name) {
    this.name = name;
  }

  async open() {
    const name = `dexie-${this.name}`;
    await Dexie.delete(name);
    const db = new Dexie(name);
    db.version(1).stores({ records: schema, state: '', _pendingChanges: '++seq, appId' });
    await db.open();
    return db;
  }

  async close(db) {
    await db.delete();
  }

  async bulkAdd(db, records) {
    await db.records.bulkAdd(records);
  }

  async add(db, record) {
    await db.records.add(record);
  }

  async overwrite(db, records) {
    await db.records.bulkPut(records);
  }

  async save(db, records) {
    await db.records.bulkPut(records);
  }

  async apply(db, pages) {
    const begun = performance.now();
    for (const page of pages) await this.applyPage(db, JSON.parse(page));
    return performance.now() - begun;
  }

  applyPage(db, { changes, cursor }) {
    return db.transaction('rw', db.records, db.state, async () => {
      const rows = await db.records.bulkGet(changes.map(({ id }) => id));
      await db.records.bulkPut(changes.map((change, at) => merged(rows[at], change)));
      await db.state.put(cursor, 'cursor');
    });
  }

  readAll(db) {
    return db.records.toArray();
  }

  get(db, id) {
    return db.records.get(id);
  }

  getMany(db, ids) {
    return db.records.bulkGet(ids);
  }

  list(db, projectId, limit) {
    const key = '[projectId+dueDate]';
    return db.records.where(key).between([projectId, ''], [projectId, '\uffff']).limit(limit).toArray();
  }

  watch(db, queries, onRows) {
    const subscriptions = queries.map(({ projectId }, at) => {
      const read = () => (projectId ? db.records.where({ projectId }).toArray() : db.records.toArray());
      return liveQuery(read).subscribe((rows) => onRows(at, rows));
    });
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }
}

function merged(row, change) {
  if (change.op === 'insert') return { id: change.id, ...change.data };
  const fields = Object.entries(change.fields).map(([name, { value }]) => [name, value]);
  return { ...row, ...Object.fromEntries(fields) };
}

/** Hooks stamp every field; a timer adds a row per change to the queue, in a transaction of its own. */
class HookedContender extends DexieContender {
  isForOrientation = true;
  #applying = false;
  #queued = [];

  async open() {
    const db = await super.open();
    db.records.hook('creating', (id, record) => {
      if (this.#applying) return;
      const at = freshStamp();
      record.__fieldMeta = Object.fromEntries(Object.keys(record).map((name) => [name, mark(at, 'user')]));
      this.#queue(db, { table: 'records', id, op: 'insert', data: { ...record }, at });
    });
    db.records.hook('updating', (changes, id, record) => {
      if (this.#applying) return undefined;
      const at = freshStamp();
      const fields = {};
      const meta = { ...record.__fieldMeta };
      for (const [name, value] of Object.entries(changes)) {
        if (name.startsWith('__fieldMeta')) continue;
        fields[name] = { value, at };
        meta[name] = mark(at, 'user');
      }
      if (Object.keys(fields).length === 0) return undefined;
      this.#queue(db, { table: 'records', id, op: 'update', fields, at });
      return { __fieldMeta: meta };
    });
    return db;
  }

  #queue(db, change) {
    const row = { appId: 'bench', eventId: crypto.randomUUID(), actor, origin: 'user', ...change };
    this.#queued.push(
      new Promise((resolve, reject) => {
        setTimeout(() => Dexie.ignoreTransaction(() => db._pendingChanges.add(row)).then(resolve, reject), 0);
      }),
    );
  }

  /** Until the queue is written, a change is not saved for sync. */
  async #logged() {
    await Promise.all(this.#queued);
    this.#queued = [];
  }

  async bulkAdd(db, records) {
    await super.bulkAdd(db, structuredClone(records));
    await this.#logged();
  }

  async add(db, record) {
    await super.add(db, { ...record });
    await this.#logged();
  }

  async overwrite(db, records) {
    // A form that saves a whole record keeps what stands in the stored one.
    const stored = await db.records.bulkGet(records.map(({ id }) => id));
    await super.overwrite(
      db,
      records.map((record, at) => ({ ...stored[at], ...record })),
    );
    await this.#logged();
  }

  async save(db, records) {
    await this.overwrite(db, records);
  }

  async applyPage(db, { changes, cursor }) {
    this.#applying = true;
    try {
      await db.transaction('rw', db.records, db.state, async () => {
        for (const change of changes) await this.#applyOne(db, change);
        await db.state.put(cursor, 'cursor');
      });
    } finally {
      this.#applying = false;
    }
  }

  async #applyOne(db, change) {
    const row = await db.records.get(change.id);
    if (change.op === 'insert') {
      const record = merged(row, change);
      const marks = Object.keys(record).map((name) => [name, mark(change.at, 'server-replay')]);
      await db.records.put({ ...record, __fieldMeta: Object.fromEntries(marks) });
      return;
    }
    const changes = { __fieldMeta: { ...row.__fieldMeta } };
    for (const [name, { value, at }] of Object.entries(change.fields)) {
      if (at <= (row.__fieldMeta[name]?.at ?? '')) continue;
      changes[name] = value;
      changes.__fieldMeta[name] = mark(at, 'server-replay');
    }
    await db.records.update(change.id, changes);
  }
}
