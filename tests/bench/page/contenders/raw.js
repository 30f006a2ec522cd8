// The floors: IndexedDB by hand, with everything asked for at once. One stores plain records, one what the engine stores.
import { answer, answers, committed, open, relaxed, remove } from '../idb.js';
import { freshStamp } from '../wire.js';
import { difference, editedRecord, insertChange, logRows, mark, storedRecord, updateChange } from './forms.js';

export const plain = {
  record: (record) => record,
  edited: (row, fields) => ({ ...row, ...fields }),
  stampOf: () => '',
};
const stored = {
  record: storedRecord,
  edited: editedRecord,
  stampOf: (row, name) => row.__fieldMeta[name].at,
};

export const plainFloor = () => new RawContender('plain rows', plain);
export const storedFloor = () => new RawContender('same bytes', stored);

export class RawContender {
  constructor(name, form) {
    this.name = name;
    this.form = form;
  }

  async open() {
    const name = `raw-${this.name}`;
    await remove(name);
    return open(name, (db) => {
      const records = db.createObjectStore('records', { keyPath: 'id' });
      records.createIndex('projectId', 'projectId');
      records.createIndex('dueDate', 'dueDate');
      records.createIndex('[projectId+dueDate]', ['projectId', 'dueDate']);
      const log = db.createObjectStore('log', { keyPath: 'seq', autoIncrement: true });
      log.createIndex('userId', 'userId');
      log.createIndex('appId', 'appId');
      db.createObjectStore('state');
    });
  }

  async close(db) {
    db.close();
    await remove(db.name);
  }

  async bulkAdd(db, records) {
    const shared = mark(freshStamp(), 'user');
    const tx = db.transaction(['records', 'log'], 'readwrite', relaxed);
    const store = tx.objectStore('records');
    for (const record of records) store.add(this.form.record(record, shared));
    for (const row of logRows(records.map(insertChange), shared.at)) tx.objectStore('log').add(row);
    await committed(tx);
  }

  add(db, record) {
    return this.bulkAdd(db, [record]);
  }

  async overwrite(db, records) {
    const shared = mark(freshStamp(), 'user');
    const tx = db.transaction(['records', 'log'], 'readwrite', relaxed);
    const store = tx.objectStore('records');
    const rows = await answers(records.map(({ id }) => store.get(id)));
    const changes = [];
    records.forEach((record, at) => {
      const row = rows[at];
      const fields = difference(row, record);
      if (Object.keys(fields).length === 0) return;
      changes.push(updateChange(row, fields, shared.at, (name) => this.form.stampOf(row, name)));
      store.put(this.form.edited(row, fields, shared));
    });
    for (const row of logRows(changes, shared.at)) tx.objectStore('log').add(row);
    await committed(tx);
  }

  /** Pages from the server: parse, read, merge, put, keep the cursor. Gives the milliseconds from the text to the commit. */
  async apply(db, pages) {
    const begun = performance.now();
    for (const page of pages) await this.#applyPage(db, JSON.parse(page));
    return performance.now() - begun;
  }

  async #applyPage(db, { changes, cursor }) {
    const tx = db.transaction(['records', 'state'], 'readwrite', relaxed);
    const store = tx.objectStore('records');
    const rows = await answers(changes.map(({ id }) => store.get(id)));
    changes.forEach((change, at) => {
      const shared = mark(change.at, 'server-replay');
      if (change.op === 'insert') {
        store.put(this.form.record({ id: change.id, ...change.data }, shared));
        return;
      }
      const fields = {};
      for (const [name, { value, at: stamp }] of Object.entries(change.fields)) {
        if (stamp > this.form.stampOf(rows[at], name)) fields[name] = value;
      }
      store.put(this.form.edited(rows[at], fields, shared));
    });
    tx.objectStore('state').put(cursor, 'cursor');
    await committed(tx);
  }

  readAll(db) {
    return answer(reading(db).getAll());
  }

  get(db, id) {
    return answer(reading(db).get(id));
  }

  getMany(db, ids) {
    const store = reading(db);
    return answers(ids.map((id) => store.get(id)));
  }

  list(db, projectId, limit) {
    const range = IDBKeyRange.bound([projectId, ''], [projectId, '\uffff']);
    return answer(reading(db).index('[projectId+dueDate]').getAll(range, limit));
  }

  /** By hand: every write reads the queries it concerns again. Equal queries are read once. */
  watch(db, queries, onRows) {
    const read = async (query, at) => {
      const store = reading(db);
      const asked = query.projectId ? store.index('projectId').getAll(query.projectId) : store.getAll();
      onRows(at, await answer(asked));
    };
    const concerned = (records) => {
      const touched = new Set(records.map((record) => record.projectId));
      return queries.flatMap((query, at) => (!query.projectId || touched.has(query.projectId) ? [[query, at]] : []));
    };
    this.written = async (records) => {
      const [first] = queries;
      if (!first.projectId) {
        const rows = await answer(reading(db).getAll());
        for (const at of queries.keys()) onRows(at, rows);
      } else await Promise.all(concerned(records).map(([query, at]) => read(query, at)));
    };
    for (const [at, query] of queries.entries()) read(query, at);
    return () => {
      this.written = undefined;
    };
  }

  async save(db, records) {
    await this.overwrite(db, records);
    await this.written?.(records);
  }
}

function reading(db) {
  return db.transaction('records', 'readonly', relaxed).objectStore('records');
}
