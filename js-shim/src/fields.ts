/** What the shim knows of a table: which fields are dates and where the primary key is; dates both ways. */

import { objectArgument } from './arguments.js';
import { isPlain } from './equality.js';
import { invalidArgument, ManaError, type ManaErrorCode } from './errors.js';
import { plain, plainRow } from './proxies.js';
import type { RawOptions } from './raw.js';

/** A table as the schema describes it. */
export interface TableInfo {
  readonly name: string;
  /** Whether its rows sync. */
  readonly synced: boolean;
  /** Fields that are ISO strings on disk and on the wire, and Dates in the app. */
  readonly dates: readonly string[];
  /** Fields that are encrypted. */
  readonly sealed: readonly string[];
  /** The name of the primary key's field; `undefined` when it is compound or kept beside the row. */
  readonly keyField: string | undefined;
  /** The paths of the primary key's parts; none when it is kept beside the row. */
  readonly keyPaths: readonly string[];
  /** Whether keys are lists of those parts. */
  readonly compoundKey: boolean;
}

/** Looks a table up; one the schema does not name gets no dates, and the engine answers its calls with `unknown_table`. */
export function tableInfo(options: RawOptions, name: string): TableInfo {
  const app = Object.values(options.apps).find(({ tables }) => Object.hasOwn(tables, name));
  const schema = Object.hasOwn(options.schema.stores, name) ? (options.schema.stores[name] ?? '') : '';
  const field = (schema.split(',')[0] ?? '').trim().replace(/^[+&*]+/, '');
  const compoundKey = field.startsWith('[');
  const keyPaths = compoundKey ? field.slice(1, -1).split('+') : [field];
  return {
    name,
    synced: app !== undefined,
    dates: app?.tables[name]?.dates ?? [],
    sealed: options.encryption?.fields[name] ?? [],
    keyField: /^[\w$]+$/.test(field) ? field : undefined,
    keyPaths: keyPaths.map((path) => path.trim()).filter((path) => path !== ''),
    compoundKey,
  };
}

/** The primary key of a row that was read, as it is stored. */
export function keyOfRow(table: TableInfo, row: object): unknown {
  const parts = table.keyPaths.map((path) => storedPart(table, path, row));
  if (parts.length > 0) return table.compoundKey ? parts : parts[0];
  const message = `The keys of ${table.name} are kept beside its rows, which do not say them: use update and delete.`;
  throw invalidArgument(message, { table: table.name });
}

function storedPart(table: TableInfo, path: string, row: object): unknown {
  let value: unknown = row;
  for (const step of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[step];
  return table.dates.includes(path) ? isoOf(value) : value;
}

/** Fields as they are stored: no proxies, dates as ISO strings. */
export function storedFields(table: TableInfo, row: unknown): Record<string, unknown> {
  if (isOther(row)) throw invalidRecord(table, 'are objects with fields');
  const out = plainRow(objectArgument(row, `A row of ${table.name}`) as object);
  for (const field of table.dates) {
    if (Object.hasOwn(out, field)) out[field] = storedDate(field, out[field]);
  }
  return out;
}

/** A row as it is stored. One that is no record, as a Blob, is handed on as it is where keys are beside the rows. */
export function storedRow(table: TableInfo, row: unknown): Record<string, unknown> {
  if (table.keyPaths.length > 0 || !isOther(row)) return storedFields(table, row);
  if (cloneOf(row as object) === undefined) throw invalidRecord(table, 'are values that can be cloned');
  return plain(row) as Record<string, unknown>;
}

/** Refuses to change fields of a stored value that is no record: it would become one, and what it was would be lost. */
export function requireRecord(table: TableInfo, stored: unknown): void {
  if (stored === undefined || (typeof stored === 'object' && stored !== null && isPlain(stored))) return;
  throw invalidRecord(table, 'without fields are replaced by put');
}

/** Whether a value is an object that is not stored as one with fields; those of the app's own classes are. */
function isOther(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  if (Object.prototype.toString.call(value) === '[object Object]') return false;
  const clone = cloneOf(value);
  return clone === undefined || !isPlain(clone);
}

function cloneOf(value: object): object | undefined {
  try {
    return structuredClone(value);
  } catch {
    return undefined;
  }
}

function invalidRecord(table: TableInfo, what: string): ManaError {
  const message = `Rows of ${table.name} ${what}; nothing was written.`;
  return new ManaError('invalid_record', message, { details: { table: table.name } });
}

/** A key of an index, or the primary key when `index` is `null`, as it is stored. */
export function storedKey(table: TableInfo, index: string | null, key: unknown): unknown {
  const fields = index?.startsWith('[') ? index.slice(1, -1).split('+') : undefined;
  const value = plain(key);
  if (fields && Array.isArray(value)) return value.map((part, at) => keyPart(table, fields[at]?.trim(), part));
  return keyPart(table, index ?? table.keyField, value);
}

function keyPart(table: TableInfo, field: string | undefined, key: unknown): unknown {
  return field !== undefined && table.dates.includes(field) ? storedDate(field, key, 'invalid_argument') : key;
}

/** A key that an index gave, as the app knows it. */
export function revivedKey(table: TableInfo, index: string | null, key: unknown): unknown {
  if (table.dates.length === 0) return key;
  const fields = index?.startsWith('[') ? index.slice(1, -1).split('+') : undefined;
  if (fields && Array.isArray(key)) return key.map((part, at) => revivedKey(table, fields[at]?.trim() ?? '', part));
  const field = index ?? table.keyField ?? '';
  return table.dates.includes(field) ? revive(table, { [field]: key })[field] : key;
}

/** Makes the date fields of rows that were just read into Dates. The rows are changed in place. */
export function reviveAll<R extends object | undefined>(table: TableInfo, rows: R[]): R[] {
  if (table.dates.length > 0) {
    for (const row of rows) if (row !== undefined) revive(table, row as Record<string, unknown>);
  }
  return rows;
}

/** Makes the date fields of one row into Dates, in place. */
export function revive<R extends Record<string, unknown>>(table: TableInfo, row: R): R {
  for (const field of table.dates) {
    const value = row[field];
    if (typeof value !== 'string') continue;
    const date = new Date(value);
    // What is no date stays readable as the string it is.
    if (!Number.isNaN(date.getTime())) (row as Record<string, unknown>)[field] = date;
  }
  return row;
}

/** A date as it is stored. In texts with more digits of the year the order would not be that of time. */
function storedDate(field: string, value: unknown, code: ManaErrorCode = 'value_not_syncable'): unknown {
  const text = isoOf(value);
  if (typeof text !== 'string' || !/^[+-]\d{6}-/.test(text)) return text;
  const message = `The date at ${field} is outside the years 0000 to 9999.`;
  throw new ManaError(code, message, { details: { path: field } });
}

/**
 * The one spelling of a date or of a text that says one, so that the order of texts is that of time. Other texts stay as
 * they are, and an invalid Date is left for the engine to refuse, which names its path.
 */
function isoOf(value: unknown): unknown {
  if (typeof value !== 'string' && !(value instanceof Date)) return value;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : date.toISOString();
}
