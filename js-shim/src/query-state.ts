/** Queries as immutable data: what the engine is asked for, and what is left to functions of the app. */

import { storedKey, type TableInfo } from './fields.js';
import { plain } from './proxies.js';
import type { RawBranch, RawQuery } from './raw.js';

/** A function of the app, in the order they were given: rows pass, or (`until`) end the list. */
export type Step =
  | { readonly kind: 'filter'; readonly test: (row: never) => boolean }
  | { readonly kind: 'until'; readonly test: (row: never) => boolean; readonly include: boolean };

/** Which of several rows are wanted, after everything else. */
export interface Window {
  readonly offset: number;
  readonly limit: number | null;
}

/** Which rows of one index are wanted. */
export type Condition = Pick<RawBranch, 'index' | 'condition' | 'keys' | 'lower' | 'upper' | 'fields'>;

/** One place to look, and what is done with the rows from there before those of the next are added. */
export interface Branch extends Window {
  readonly where: Condition;
  readonly reverse: boolean;
  /** Each row counts once. */
  readonly distinct: boolean;
  readonly steps: readonly Step[];
}

/** A query. Its last branch is the one that `where` describes; `or` adds it to the earlier ones and begins another. */
export interface QueryState extends Branch {
  readonly earlier: readonly Branch[];
  readonly order: string | null;
  readonly includeDeleted: boolean;
  readonly acrossSpaces: boolean;
}

const all: Condition = { index: null, condition: 'all', keys: [], lower: false, upper: false, fields: [] };

/** All rows of a table in the order of its primary key. */
export const everything: QueryState = {
  where: all,
  earlier: [],
  order: null,
  reverse: false,
  distinct: false,
  limit: null,
  offset: 0,
  includeDeleted: false,
  acrossSpaces: false,
  steps: [],
};

/** All rows that an index lists. */
export function wholeIndex(index: string): Condition {
  return { ...all, index };
}

/** A condition on an index, by its name in `where(…)`. */
export function condition(
  table: TableInfo,
  index: string,
  name: string,
  keys: readonly unknown[],
  [lower, upper]: readonly [boolean, boolean] = [true, false],
): Condition {
  // What a text begins with is no date, even if it reads like one.
  const isText = /^startsWith|IgnoreCase$/.test(name);
  const stored = isText ? keys.map(plain) : keys.map((key) => storedKey(table, index, key));
  return { ...all, index, condition: name, keys: stored, lower, upper };
}

/** Fields that have to have a value. */
export function criteria(table: TableInfo, fields: Readonly<Record<string, unknown>>): Condition {
  const names = Object.keys(fields);
  return { ...all, fields: names, keys: names.map((name) => storedKey(table, name, plain(fields[name]))) };
}

/** Whether functions of the app decide about rows. */
export function hasSteps(state: QueryState): boolean {
  return state.steps.length > 0 || isApart(state);
}

/** Whether rows have to come branch by branch, because something is done with those of some before others are added. */
export function isApart({ earlier }: QueryState): boolean {
  const isPage = ({ limit, offset }: Branch) => limit !== null || offset > 0;
  const isDoneHere = (branch: Branch, at: number) =>
    branch.steps.length > 0 || (at > 0 && branch.reverse) || ((at > 0 || branch.distinct) && isPage(branch));
  return earlier.some(isDoneHere);
}

/** What the engine is asked for: without the windows of rows that are counted only after the app's functions. */
export function rawQuery(table: TableInfo, state: QueryState, paged = !hasSteps(state)): RawQuery {
  const apart = isApart(state);
  const { order, distinct, includeDeleted, acrossSpaces } = state;
  const last: Branch = { ...state, reverse: false, offset: 0, limit: null };
  const branches = [...state.earlier, last].map((branch, at) => rawBranch(branch, at === 0, !apart));
  const whole = state.earlier.length === 0 && state.where === all;
  return {
    table: table.name,
    branches: whole ? [] : branches,
    order,
    reverse: !apart && state.reverse,
    distinct,
    limit: paged ? state.limit : null,
    offset: paged ? state.offset : 0,
    includeDeleted,
    acrossSpaces,
    apart,
  };
}

function rawBranch({ where, reverse, offset, limit }: Branch, first: boolean, paged: boolean): RawBranch {
  return { ...where, reverse: first && reverse, offset: paged ? offset : 0, limit: paged ? limit : null };
}

/** A window within a window, as in `offset(2).limit(5)`. */
export function narrowed(window: Window, offset: number, limit: number | null): Window {
  const left = window.limit === null ? null : Math.max(0, window.limit - offset);
  return {
    offset: window.offset + offset,
    limit: left === null ? limit : limit === null ? left : Math.min(left, limit),
  };
}
