// Words for backups.
import {
  type ArchiveInfo,
  type ArchiveProgress,
  type ImportedTable,
  type ImportResult,
  ManaError,
} from '@mana/sync-engine';

/** What can be saved by itself. */
export const modules = [
  { app: 'todo', name: 'Tasks and settings', one: 'task' },
  { app: 'notebook', name: 'Notebook', one: 'note' },
] as const;

const count = (number: number) => number.toLocaleString('en-GB');

export const plural = (number: number, one: string, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

const tables: Record<string, string> = { tasks: 'Tasks', settings: 'Settings', notes: 'Notes' };

export const tableName = (table: string) => tables[table] ?? table;

export function savedWords(
  fileName: string,
  bytes: number,
  rowCounts: Readonly<Record<string, number>>,
  missing: number,
): string {
  const records = Object.values(rowCounts).reduce((sum, rows) => sum + rows, 0);
  const saved = `Saved ${plural(records, 'record')} as ${fileName} (${size(bytes)}).`;
  if (missing === 0) return saved;
  return `${saved} ${plural(missing, 'value')} could not be opened on this device and ${isOrAre(missing)} not in it.`;
}

/** Of a file that is brought back: what it never had. */
export function missingWords(missing: number): string {
  return `${plural(missing, 'value')} could not be opened when it was saved and ${isOrAre(missing)} not in it.`;
}

/** Of records that cannot be taken, those that are not named. */
export function leftWords(more: number): string {
  return `And ${count(more)} more that cannot be taken.`;
}

const isOrAre = (number: number) => (number === 1 ? 'is' : 'are');

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const [number, unit] = bytes < 1024 ** 2 ? [bytes / 1024, 'KB'] : [bytes / 1024 ** 2, 'MB'];
  return `${number.toLocaleString('en-GB', { maximumFractionDigits: 1 })} ${unit}`;
}

export function progressWords({ phase, table, done, total }: ArchiveProgress): string {
  if (phase === 'key') return 'Making the key of the passphrase';
  if (phase === 'file') return 'Going through the file';
  return `${tableName(table ?? '')}: ${count(done)}${total === null ? '' : ` of about ${count(total)}`}`;
}

export function fileWords({ exportedAt, appIds, rowCounts }: ArchiveInfo): string {
  const day = new Date(exportedAt).toLocaleDateString('en-GB', { dateStyle: 'long' });
  const records = Object.values(rowCounts).reduce((sum, rows) => sum + rows, 0);
  const parts = appIds?.map((app) => modules.find((one) => one.app === app)?.name ?? app);
  return `Saved on ${day}: ${parts ? parts.join(', ') : 'everything'}, ${plural(records, 'record')}.`;
}

/** What becomes of the records of a table, in words; `done`: it has become of them. */
export function tableWords(table: ImportedTable, done: boolean): string {
  const parts = [
    table.new > 0 && `${count(table.new)} ${done ? 'added' : 'new'}`,
    table.changed > 0 && `${count(table.changed)} ${done ? 'changed' : 'to change'}`,
    table.unchanged > 0 && `${count(table.unchanged)} ${table.unchanged === 1 ? 'stays as it is' : 'stay as they are'}`,
    table.deleted > 0 && `${count(table.deleted)} deleted here since`,
    table.left > 0 && `${count(table.left)} that cannot be taken`,
  ];
  return parts.filter(Boolean).join(', ') || 'nothing';
}

export function changes({ tables }: ImportResult): number {
  return tables.reduce((sum, table) => sum + table.new + table.changed, 0);
}

/** What of a file was brought back before it was cancelled or failed, in words; none where that had not begun. */
export function appliedWords(error: unknown): string {
  const applied = error instanceof ManaError ? (error.details?.applied as ImportResult | undefined) : undefined;
  if (!applied) return '';
  const brought = changes(applied);
  if (brought === 0) return ' Nothing had been changed by then.';
  return ` ${plural(brought, 'record was', 'records were')} brought back by then; doing it again brings back the rest.`;
}

/** Where part of a backup had to come first and did not: a backup is not made again by itself, as syncing is. */
export function notHereAdvice(error: unknown): string {
  const isNotHere = error instanceof ManaError && ['offline', 'sync_failed'].includes(error.code);
  return isNotHere ? 'Do it again when the connection is back, or without what is not on this device yet.' : '';
}

/** How hard a passphrase is to guess, as far as its looks say. */
export function strength(words: string): { readonly level: 0 | 1 | 2 | 3; readonly hint: string } {
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{L}\d]/u].filter((kind) => kind.test(words)).length;
  const different = new Set(words.toLowerCase()).size;
  const parts = words
    .trim()
    .split(/\s+/)
    .filter((part) => part.length > 2).length;
  if (words.length < 8 || different < 5) return { level: 0, hint: 'Too short: anybody could try them all.' };
  if (parts >= 4 && words.length >= 20) return { level: 3, hint: 'Good, if the words were chosen at random.' };
  if (words.length >= 16 && kinds >= 3) return { level: 3, hint: 'Good.' };
  if (words.length >= 12) return { level: 2, hint: 'Fair. Four random words are easier to keep and harder to guess.' };
  return { level: 1, hint: 'Weak. Four random words are easier to keep and harder to guess.' };
}
