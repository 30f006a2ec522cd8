// Another device of the same person, written against the server's HTTP API; what it has pulled is the server's log.
import { randomUUID } from 'node:crypto';

export const keyOf = (table, id) => `${table}/${id}`;
export const editOf = (table, id, field, at) => `${table}/${id}.${field} at ${at}`;

export class Phone {
  /** Every edit the server has, as `editOf` writes it. */
  edits = new Set();
  /** What the log comes to: `keyOf` → field → `{ value, at }`. */
  records = new Map();
  /** The record of every insert the server has, as `keyOf` writes it. */
  inserts = [];
  /** The synced tables that it looks at. */
  tables;
  #app;
  #each;
  #user;
  #server;
  #token = '';
  #cursor;
  #last = 0;

  /**
   * @param {{ url: string }} server
   * @param {string} app
   * @param {string[]} tables
   * @param {(change: object) => void} [each] gets every change once
   * @param {string} [user] whose device it is
   */
  constructor(server, app, tables, each = () => {}, user = 'ada') {
    this.#server = server;
    this.#app = app;
    this.tables = tables;
    this.#each = each;
    this.#user = user;
  }

  /** Reads on from where it was. */
  async pull() {
    for (let more = true; more; ) {
      const answer = await this.#ask('/v2/pull', {
        cursor: this.#cursor,
        apps: { [this.#app]: this.tables },
        limit: 1000,
      });
      for (const change of answer.changes) this.#take(change);
      this.#cursor = answer.cursor;
      more = answer.hasMore;
    }
  }

  /** Pushes changes that must all be accepted. */
  async push(changes) {
    const { accepted, rejected } = await this.#ask('/v2/push', { schemaVersion: 1, changes });
    if (accepted.length !== changes.length) throw new Error(`the server refused ${JSON.stringify(rejected)}`);
  }

  /** A change that creates a record, or changes fields of one. */
  change(op, table, id, values) {
    const at = this.#stamp();
    const fields = Object.entries(values).map(([name, value]) => [name, { value, at }]);
    const content = op === 'insert' ? { data: values } : { fields: Object.fromEntries(fields) };
    const frame = { eventId: randomUUID(), app: this.#app, schemaVersion: 1, table, id, op, at };
    return { ...frame, ...content, spaceId: `_personal:${this.#user}`, visibility: 'space', origin: 'user' };
  }

  #take(change) {
    this.#each(change);
    const key = keyOf(change.table, change.id);
    const record = this.records.get(key) ?? new Map();
    this.records.set(key, record);
    if (change.op === 'insert') this.inserts.push(key);
    for (const [field, { value = null, at }] of editsIn(change)) {
      this.edits.add(editOf(change.table, change.id, field, at));
      const known = record.get(field)?.at;
      // The earliest insert gives the author, the newest edit everything else.
      const wins = field === 'authorId' ? !(known <= at) : !(known >= at);
      if (wins) record.set(field, { value, at });
    }
  }

  /** Stamps of one form, so that their texts sort as they do; the counter is one that no engine comes to. */
  #stamp() {
    this.#last = Math.max(this.#last + 1, Date.now());
    return new Date(this.#last).toISOString().replace('Z', '977Z');
  }

  async #ask(path, body) {
    this.#token ||= (await this.#post('/dev/login', { user: this.#user })).token;
    return this.#post(path, { protocol: 2, clientId: 'phone.1', ...body });
  }

  async #post(path, body) {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${this.#token}` };
    const answer = await fetch(this.#server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }
}

/** The fields a change writes, from the wire or from a row of the change log. */
export function editsIn(change, shared = change.at) {
  const at = change.at ?? shared;
  const edits = Object.entries(change.data ?? {}).map(([name, value]) => [name, { value, at }]);
  if (change.op === 'delete') return [['deletedAt', { value: change.deletedAt, at }]];
  return [...edits, ...Object.entries(change.fields ?? {})];
}
