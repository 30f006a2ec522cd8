/** What the shim knows of a table: which fields are dates and where the primary key is; dates both ways. */

import { invalidArgument } from './errors.js';
import { plain, plainRow } from './proxies.js';
import type { RawOptions } from './raw.js';

/** A table as the schema describes it. */
export interface TableInfo {
  readonly name: string;
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
  const apps = Object.values(options.apps);
  const dates = apps.find((app) => Object.hasOwn(app.tables, name))?.tables[name]?.dates ?? [];
  const schema = Object.hasOwn(options.schema.stores, name) ? (options.schema.stores[name] ?? '') : '';
  const field = (schema.split(',')[0] ?? '').trim().replace(/^[+&*]+/, '');
  const compoundKey = field.startsWith('[');
  const keyPaths = compoundKey ? field.slice(1, -1).split('+') : [field];
  return {
    name,
    dates,
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

/** A row as it is stored: no proxies, dates as ISO strings. */
export function storedRow(table: TableInfo, row: unknown): Record<string, unknown> {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalidArgument(`A row of ${table.name} must be an object.`, { table: table.name });
  }
  const out = plainRow(row);
  for (const field of table.dates) {
    if (field in out) out[field] = isoOf(out[field]);
  }
  return out;
}

/** A key of an index, or the primary key when `index` is `null`, as it is stored. */
export function storedKey(table: TableInfo, index: string | null, key: unknown): unknown {
  const fields = index?.startsWith('[') ? index.slice(1, -1).split('+') : undefined;
  const value = plain(key);
  if (fields && Array.isArray(value)) {
    return value.map((part, at) => (table.dates.includes(fields[at]?.trim() ?? '') ? isoOf(part) : part));
  }
  const field = index ?? table.keyField;
  return field !== undefined && table.dates.includes(field) ? isoOf(value) : value;
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

/** An invalid Date is left for the engine to refuse, which names its path. */
function isoOf(value: unknown): unknown {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : value;
}
