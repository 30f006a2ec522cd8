// What tabs said about their writes, and what must therefore be found in the end.
//
// Tabs are named after their device: `a0-2` is the third tab that device `a` opened, in its first place.
import { board } from '../page/writes.js';

/** A contested value names the tab and the number of its write. */
const writerOf = (value) => /^(\w)\d-\d+:\d+$/.exec(value)?.[1];

export class Book {
  saved = 0;
  /** Complaints of pages, and events that must not happen. */
  trouble = [];
  /** Per tab the number of its last write on the board that was saved. */
  #counts = new Map();
  #added = new Map();
  #deleting = new Set();
  #deleted = new Set();
  /** When each write began and was saved, by `tab:number`. */
  #times = new Map();
  #contested = [];

  hear(tab, { at, begun, saved, deleting, broken, event, detail, ...what }) {
    if (broken) this.trouble.push(`${tab}: ${broken}`);
    if (event) this.trouble.push(`${tab}: ${event} ${JSON.stringify(detail)}`);
    if (deleting) this.#deleting.add(deleting);
    if (begun) this.#times.set(`${tab}:${begun}`, { begun: at });
    if (!saved) return;
    this.saved += 1;
    this.#times.get(`${tab}:${saved}`).saved = at;
    if (what.added) {
      this.#added.set(what.added, tab);
      this.#counts.set(tab, saved);
    }
    if (what.deleted) this.#deleted.add(what.deleted);
    if (what.contested) this.#contested.push({ write: `${tab}:${saved}`, device: tab[0], ...what });
  }

  /**
   * What was said to be saved and is not there, or there though it was deleted.
   *
   * @param {{ tasks: object[] }} read what an app reads on a device
   */
  missingIn({ tasks }) {
    const there = new Map(tasks.map((row) => [row.id, row]));
    const wrong = [];
    for (const id of this.#added.keys()) {
      const row = there.get(id);
      if (!row && !this.#deleting.has(id)) wrong.push(`${id} was saved and is not there`);
      if (row && this.#deleted.has(id)) wrong.push(`${id} was deleted and is there`);
      if (row && row.secret !== `the secret of ${id}`) wrong.push(`${id} keeps no secret: ${row.secret}`);
    }
    for (const [tab, n] of this.#counts) {
      const count = there.get(board)?.[tab];
      // A tab that died may have counted on unheard.
      if (!(count >= n)) wrong.push(`${tab} counted to ${n}, the board says ${count}`);
    }
    return wrong;
  }

  /**
   * Contested values that were saved and never reached the server, though nothing of the same device took their place on the way.
   *
   * @param {Map<string, Set<string>>} titles the titles that the server has, by `table/id`
   */
  neverSent(titles) {
    const lost = this.#contested.filter(({ write, device, contested, value }) => {
      const came = titles.get(contested) ?? new Set();
      return (
        !came.has(value) && ![...came].some((other) => writerOf(other) === device && !this.#precedes(other, write))
      );
    });
    return lost.map(({ contested, value }) => `${contested} never became ${value} on the server`);
  }

  #precedes(one, other) {
    return this.#times.get(one)?.saved < this.#times.get(other).begun;
  }

  /** Records that a tab made and the server was told of more than once, or of which it has no insert. */
  notOnce(inserts) {
    const counts = new Map();
    for (const key of inserts) counts.set(key, (counts.get(key) ?? 0) + 1);
    return [...this.#added.keys()]
      .filter((id) => counts.get(`tasks/${id}`) !== 1)
      .filter((id) => counts.has(`tasks/${id}`) || !this.#deleting.has(id))
      .map((id) => `${id} was inserted ${counts.get(`tasks/${id}`) ?? 0} times`);
  }
}
