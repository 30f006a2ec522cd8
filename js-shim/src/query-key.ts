/** A query as a text that is the same for equal queries. */

import type { RawQuery } from './raw.js';

/** The query's text: its parts in a fixed order, keys with their types. */
export function queryKey(query: RawQuery): string {
  const { range } = query;
  const parts = [
    query.table,
    query.index,
    query.reverse,
    query.limit,
    query.offset,
    query.includeDeleted,
    query.acrossSpaces,
    range?.hasLower ? [encoded(range.lower), range.lowerOpen] : null,
    range?.hasUpper ? [encoded(range.upper), range.upperOpen] : null,
  ];
  return JSON.stringify(parts);
}

/** Keys that JSON does not tell apart: `1` and `'1'` it does, a Date and its text, infinities and bytes it does not. */
function encoded(key: unknown): unknown {
  if (typeof key === 'number') return Number.isFinite(key) ? key : { number: String(key) };
  if (key instanceof Date) return { date: key.getTime() };
  if (Array.isArray(key)) return key.map(encoded);
  if (key instanceof ArrayBuffer) return { bytes: [...new Uint8Array(key)] };
  if (ArrayBuffer.isView(key)) return { bytes: [...new Uint8Array(key.buffer, key.byteOffset, key.byteLength)] };
  return typeof key === 'string' ? key : { other: String(key) };
}
