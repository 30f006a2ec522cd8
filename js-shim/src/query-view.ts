/** The part of a query that functions of the app answer, on finished rows. */

import { ManaError } from './errors.js';
import { encodedKey } from './query-key.js';
import { isApart, type QueryState, type Step, type Window } from './query-state.js';
import type { RawApart } from './raw.js';

/** What was found, one list for each part that was asked for. */
export interface Found<T> extends RawApart {
  readonly rows: readonly T[];
  readonly keys?: readonly unknown[];
}

/** The places in `found` of the rows that are in the result, in its order. */
export function placesOf<T>(state: QueryState, found: Found<T>, window: Window = state): number[] {
  const united = isApart(state) ? unite(state, found) : found.rows.map((_, place) => place);
  return through(state.steps, window, united, found.rows);
}

/** The rows of the result. */
export function view<T>(state: QueryState, found: Found<T>): readonly T[] {
  return placesOf(state, found).map((place) => found.rows[place] as T);
}

/** The same for a live query, whose readers are told what a function threw. */
export function guardedView<T>(state: QueryState, found: Found<T>): readonly T[] {
  try {
    return view(state, found);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ManaError('filter_failed', `A filter threw: ${message}`, { cause });
  }
}

/** Rows of each branch after those before it, each once; what stood before an `or` is about all rows found by then. */
function unite<T>(state: QueryState, { rows, branches = [], primaryKeys = [], ranks = [] }: Found<T>): number[] {
  const places = rows.map((_, place) => place);
  let united: number[] = [];
  for (const [at, branch] of [...state.earlier, undefined].entries()) {
    const seen = new Set<string>();
    united = [...united, ...places.filter((place) => branches[place] === at)].filter((place) => {
      const key = JSON.stringify(encodedKey(primaryKeys[place]));
      return !seen.has(key) && seen.add(key);
    });
    if (at > 0 && branch?.reverse) united.reverse();
    if (branch) united = through(branch.steps, branch, united, rows);
  }
  if (state.order !== null) {
    const rank = (place: number) => ranks[place] ?? -1;
    united = united.filter((place) => rank(place) >= 0).sort((a, b) => rank(a) - rank(b));
  }
  return state.reverse ? united.reverse() : united;
}

function through<T>(steps: readonly Step[], window: Window, places: number[], rows: readonly T[]): number[] {
  const end = window.limit === null ? Number.POSITIVE_INFINITY : window.offset + window.limit;
  const passed: number[] = [];
  for (const place of places) {
    if (passed.length >= end) break;
    const verdict = judged(steps, rows[place] as never);
    if (verdict.passes) passed.push(place);
    if (verdict.ends) break;
  }
  return passed.slice(window.offset);
}

function judged(steps: readonly Step[], row: never): { passes: boolean; ends: boolean } {
  let ends = false;
  for (const step of steps) {
    if (step.kind === 'filter') {
      if (!step.test(row)) return { passes: false, ends };
    } else if (step.test(row)) {
      ends = true;
      if (!step.include) return { passes: false, ends };
    }
  }
  return { passes: true, ends };
}
