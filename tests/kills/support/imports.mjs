// What a killed import may leave behind: whole pages, in their order, each with what is to be sent of it.
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { tornStates } from './oracle.mjs';

/** Milliseconds until a page of an archive must have been taken. */
const patience = 60_000;

/** The pages of an archive, as an import that nobody disturbs tells them: `{ table, done }`, and how long one takes. */
export class Pages {
  told = [];
  #times = [];
  #begun = 0;

  hear({ begun, table, done }) {
    if (begun) this.#begun = performance.now();
    if (!table) return;
    this.told.push({ table, done });
    this.#times.push(performance.now());
  }

  /** Milliseconds until the first page, and for each one after it, on the average. */
  get pace() {
    const [first, last] = [this.#times[0], this.#times.at(-1)];
    return { first: first - this.#begun, each: (last - first) / (this.#times.length - 1) };
  }

  /** Resolves when so many were told. */
  async reach(count) {
    for (const end = Date.now() + patience; this.told.length < count; await pause(2)) {
      if (Date.now() > end) throw new Error(`page ${count} was not taken within ${patience} ms`);
    }
  }
}

/** What is wrong with what is stored, beside the pages of the archive and what `phone` has of the server's log. */
export function wrongIn(rows, pages, expected, phone) {
  const wrong = tornStates(rows, phone);
  let isOver = false;
  for (const table of Object.keys(expected)) {
    const [stored, all] = [rows[table].map(({ id }) => id).sort(), expected[table].map(({ id }) => id)];
    const ends = pages.told.filter((page) => page.table === table).map(({ done }) => done);
    if (![0, ...ends].includes(stored.length))
      wrong.push(`${stored.length} rows of ${table}: no whole pages (${ends})`);
    if (stored.some((id, at) => id !== all[at])) wrong.push(`the rows of ${table} are not the first of the archive`);
    if (isOver && stored.length > 0) wrong.push(`a page of ${table} before those of an earlier table`);
    isOver ||= stored.length < all.length;
  }
  return wrong;
}

/** The rows of `read`, and their fields, that are not as in `expected`, with all their stamps; but for whose they are: `user` here, `ada` there. */
export function different(read, expected, user) {
  return Object.keys(expected).flatMap((table) => {
    const known = new Map(expected[table].map((row) => [row.id, row]));
    const text = JSON.stringify(read[table]).replaceAll(`"${user}"`, '"ada"').replaceAll(`:${user}"`, ':ada"');
    // What a device sent before it lost its database comes back from the server, and says so.
    const taken = JSON.parse(text.replaceAll('"origin":"server-replay"', '"origin":"migration"'));
    return taken
      .filter((row) => !isDeepStrictEqual(row, known.get(row.id)))
      .map((row) => `${row.id}: ${fieldsThatDiffer(row, known.get(row.id) ?? {})}`);
  });
}

function fieldsThatDiffer(row, known) {
  const names = [...new Set([...Object.keys(row), ...Object.keys(known)])];
  return names.filter((name) => !isDeepStrictEqual(row[name], known[name]));
}

/** How many of the pages that were told are stored. */
export function storedOf(told, rows) {
  return told.filter(({ table, done }) => rows[table].length >= done).length;
}
