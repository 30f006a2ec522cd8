/** The rows of a live query: frozen, and the same objects as before where nothing changed. */

import { equal, isPlain, sameItems } from './equality.js';
import { revive, type TableInfo } from './fields.js';
import { sealed } from './vault.js';

type Row = Readonly<Record<string, unknown>>;
/** What a table holds: a row, or in an app's own table any other value. */
type Held = Row | NonNullable<unknown>;

/** What the last answer held, so that the next one can reuse it. */
export class LiveRows {
  readonly #table: TableInfo;
  /** The finished form of rows by the raw row, as an engine that did not read a row again hands out the same object. */
  readonly #finished = new WeakMap<object, Held>();
  #rows: readonly Held[] = Object.freeze([]);
  #byKey = new Map<unknown, Held>();

  constructor(table: TableInfo) {
    this.#table = table;
  }

  /** Whether some of the rows show a sealed value that cannot be opened now. */
  get locked(): boolean {
    const { sealed: fields } = this.#table;
    return fields.length > 0 && this.#rows.some((row) => fields.some((field) => (row as Row)[field] === sealed));
  }

  /** The finished rows of an answer; the same array as before when they are all the same. */
  take(raw: readonly Held[]): readonly Held[] {
    const rows = raw.map((row, at) => this.#finish(row, at));
    if (sameItems(rows, this.#rows)) return this.#rows;
    this.#rows = Object.freeze(rows);
    this.#byKey = new Map(rows.map((row, at) => [this.#key(row, at), row]));
    return this.#rows;
  }

  #finish(raw: Held, at: number): Held {
    // What has no fields, a Blob or a text, is shown as it is.
    if (typeof raw !== 'object' || !isPlain(raw)) return raw;
    const known = this.#finished.get(raw);
    if (known) return known;
    const fresh: Row = this.#table.dates.length > 0 ? revive(this.#table, { ...raw }) : { ...raw };
    const before = this.#byKey.get(this.#key(fresh, at));
    const row = before !== undefined && equal(before, fresh) ? before : (frozen(fresh) as Row);
    this.#finished.set(raw, row);
    return row;
  }

  #key(row: Held, at: number): unknown {
    const { keyField } = this.#table;
    return keyField === undefined ? at : (row as Row)[keyField];
  }
}

/** Freezes plain objects and arrays all the way down; Dates, Maps and binary data have no way to be frozen. */
export function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (!Array.isArray(value) && !isPlain(value)) return value;
  // Before what is in it, which may lead back here.
  Object.freeze(value);
  for (const inner of Object.values(value)) frozen(inner);
  return value;
}
