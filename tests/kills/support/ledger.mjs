// What the page said about its writes, and what must therefore be found after a kill.

import { keyOf } from '../../support/phone.mjs';
import { writeOf } from '../page/writes.js';

/** A page is at most so many writes ahead of what was heard of it and shows in records. */
const ahead = 12;

export class Ledger {
  /** The number of the next write. */
  next = 1;
  /** What came of all writes up to the last look: `keyOf` → `{ n, deleted }`. */
  #state = new Map();
  /** Writes since then, by number. */
  #writes = new Map();
  /** Per record the newest write that the server was said to have. */
  #onServer = new Map();
  #synced = 0;
  #seed;
  #writeOf;

  /** @param {typeof writeOf} [planned] what a write does, by seed and number */
  constructor(planned = writeOf) {
    this.#writeOf = planned;
  }

  /** Takes what the page told. */
  hear({ started, saved, nothing, synced }) {
    if (started) this.#add(started);
    if (saved) Object.assign(this.#writes.get(saved), { saved: true, nothing });
    if (synced) this.#synced = Math.max(this.#synced, synced);
  }

  /** The page begins to write. */
  begin(seed) {
    this.#seed = seed;
    return { seed, first: this.next };
  }

  #add(n) {
    this.#writes.set(n, { n, ...this.#writeOf(this.#seed, n) });
    this.next = n + 1;
  }

  /** What a page told last may be lost with the browser; what it wrote then is known all the same. */
  #addUnheard(state) {
    if (this.#writes.size === 0) return;
    const newest = Math.max(this.next, ...[...state.values()].map(({ n }) => n));
    while (this.next <= newest + ahead) this.#add(this.next);
  }

  /** Everything saved so far was said to be on the server. */
  allSynced() {
    this.#synced = this.next - 1;
  }

  get acknowledged() {
    return [...this.#writes.values()].filter(({ saved }) => saved).length;
  }

  /** Writes that began and were not said to be saved. */
  get underWay() {
    return this.#writes.size - this.acknowledged;
  }

  /**
   * Finds the write after which everything is as stored, and forgets the writes up to now.
   *
   * Writes of one page are stored in their order, so there must be one; `lost` are acknowledged writes after it. Throws when there is
   * none: a write is missing while a later one is there, or one is there in part.
   */
  account(rows) {
    this.#noteSynced();
    const stored = stateOf(rows);
    this.#addUnheard(stored);
    const states = [this.#state];
    for (const write of this.#writes.values()) states.push(after(states.at(-1), write));
    const writes = [...this.#writes.values()];
    let cut = writes.length;
    while (cut >= 0 && differing(states[cut], stored).length > 0) cut -= 1;
    if (cut < 0) throw new Error(`no order of writes gives what is stored:\n${explain(states, stored, writes)}`);
    this.forget(rows);
    return { lost: writes.slice(cut).filter(({ saved }) => saved).length };
  }

  /** Begins anew from what is stored, after the database was lost. */
  forget(rows) {
    this.#noteSynced();
    this.#state = stateOf(rows);
    this.#addUnheard(this.#state);
    this.#writes.clear();
  }

  /** Writes that were said to be on the server and are not. */
  missing(phone) {
    this.#noteSynced();
    const wrong = [];
    for (const [key, { n, kind }] of this.#onServer) {
      const record = phone.records.get(key);
      const there = record?.get('n')?.value ?? 0;
      // What was deleted may never have been there.
      const deleted = !record || record.get('deletedAt')?.value;
      if (!(there > n || (kind === 'delete' ? deleted : there === n))) {
        wrong.push(`write ${n} (${kind} ${key}) was said to be synced; the server has write ${there}`);
      }
    }
    return wrong;
  }

  #noteSynced() {
    for (const { n, effects, saved, nothing } of this.#writes.values()) {
      if (!saved || nothing || n > this.#synced) continue;
      for (const [table, id, kind] of effects) {
        if (table !== 'drafts') this.#onServer.set(keyOf(table, id), { n, kind });
      }
    }
  }
}

/** What a write makes of the records. */
function after(state, { n, effects }) {
  const next = new Map(state);
  for (const [table, id, kind] of effects) {
    const key = keyOf(table, id);
    const before = next.get(key);
    if (kind === 'put' || (kind === 'update' && before && !before.deleted)) next.set(key, { n, deleted: false });
    else if (kind === 'delete' && before) next.set(key, { n: before.n, deleted: true });
  }
  return next;
}

/** The records that carry the number of a write. */
function stateOf(rows) {
  const state = new Map();
  for (const table of ['tasks', 'notes', 'lists', 'drafts']) {
    for (const row of rows[table]) {
      if (row.n) state.set(keyOf(table, row.id), { n: row.n, deleted: Boolean(row.deletedAt) });
    }
  }
  return state;
}

function differing(one, other) {
  const text = (record) => JSON.stringify(record ?? null);
  return [...new Set([...one.keys(), ...other.keys()])].filter((key) => text(one.get(key)) !== text(other.get(key)));
}

/** What differs after the write that fits best, and the writes that touched it. */
function explain(states, stored, writes) {
  const misfits = states.map((state) => differing(state, stored));
  const best = misfits.reduce((best, keys, at) => (keys.length <= misfits[best].length ? at : best), 0);
  const keys = misfits[best];
  const wrong = keys.map((key) => `${key}: ${JSON.stringify([states[best].get(key), stored.get(key)])}`);
  const touching = writes.filter(({ effects }) => effects.some(([table, id]) => keys.includes(keyOf(table, id))));
  return [`after write ${writes[best - 1]?.n} expected and stored differ in`, ...wrong]
    .concat(touching.slice(-20).map(({ n, call, saved }) => `write ${n}: ${call}${saved ? ', saved' : ''}`))
    .join('\n');
}
