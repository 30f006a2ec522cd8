/** A query as a text that is the same for equal queries. */

import type { TableInfo } from './fields.js';
import type { RawQuery } from './raw.js';

/**
 * The query's text: its parts in a fixed order, keys with their types. It begins with the table and its primary key, whether all
 * spaces are looked at and deleted rows as well, and where: by these the Svelte binding tells what may be shown in place of what.
 */
export function queryKey(query: RawQuery, { keyPaths }: TableInfo): string {
  const { table, branches, order, reverse, distinct, limit, offset, includeDeleted, acrossSpaces, apart } = query;
  const places = branches.map((branch) => [
    branch.index,
    branch.condition,
    branch.keys.map(encodedKey),
    branch.lower,
    branch.upper,
    branch.fields,
    branch.reverse,
    branch.offset,
    branch.limit,
  ]);
  return JSON.stringify([
    table,
    keyPaths,
    acrossSpaces,
    includeDeleted,
    places,
    order,
    reverse,
    distinct,
    limit,
    offset,
    apart,
  ]);
}

/** Keys that JSON does not tell apart: `1` and `'1'` it does, a Date and its text, infinities and bytes it does not. */
export function encodedKey(key: unknown): unknown {
  if (typeof key === 'number') return Number.isFinite(key) ? key : { number: String(key) };
  if (key instanceof Date) return { date: key.getTime() };
  if (Array.isArray(key)) return key.map(encodedKey);
  if (key instanceof ArrayBuffer) return { bytes: [...new Uint8Array(key)] };
  if (ArrayBuffer.isView(key)) return { bytes: [...new Uint8Array(key.buffer, key.byteOffset, key.byteLength)] };
  return typeof key === 'string' ? key : { other: String(key) };
}
