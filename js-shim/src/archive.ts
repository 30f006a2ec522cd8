/** `engine.archive`: rows go between the engine and a job that knows the format, page by page. */

import { type Ask, goOn, withJob } from './archive-client.js';
import { Imported } from './archive-imported.js';
import type { Description, RawManifest } from './archive-raw.js';
import type {
  ArchiveInfo,
  ArchiveProgress,
  Archives,
  ExportOptions,
  ExportResult,
  ImportOptions,
  ImportResult,
  MissingValue,
} from './archive-types.js';
import { appVersions, checkVersions, versionIn } from './archive-versions.js';
import { functionArgument, optionsArgument, textArgument, textsArgument, wordArgument } from './arguments.js';
import type { Connection } from './connection.js';
import { invalidArgument, ManaError } from './errors.js';
import type { RawExportPage, RawImportHow, RawOptions } from './raw.js';

/** The most rows of one page. */
const PAGE_ROWS = 500;
/** Rows of a table's first page, before it is known how large they are. */
const FIRST_ROWS = 50;
/** Bytes of one page, some. */
const PAGE_BYTES = 256 * 1024;
/** Bytes of a page of ids, some. */
const IDENTITY_BYTES = 64 * 1024;
/** Parts of the file are handed to the browser at this size, which may keep them on disk. */
const PART_BYTES = 4 * 1024 * 1024;
/** OWASP's for PBKDF2-HMAC-SHA256. */
const ITERATIONS = 600_000;

type Report = (progress: ArchiveProgress) => void;

/** The archives of an engine. */
export class EngineArchives implements Archives {
  readonly #connection: () => Connection;

  constructor(connection: () => Connection) {
    this.#connection = connection;
  }

  async export(options?: ExportOptions): Promise<ExportResult> {
    const { appIds, spaces, passphrase, onProgress, signal } = optionsArgument(options, 'The options of export');
    const apps = this.#apps(appIds && [...new Set(textsArgument(appIds, 'appIds'))]);
    const named = textsArgument(spaces ?? [], 'spaces');
    const words = passphrase === undefined ? undefined : newPassphrase(passphrase);
    const report = reporter(onProgress);
    const tables = apps.flatMap((app) => Object.keys(this.#options.apps[app]?.tables ?? {}));
    const user = this.#options.user?.id;
    return withJob(signal, async (ask) => {
      await this.#ensure(apps);
      const counts = await this.#counts(user, tables, named);
      const manifest = this.#manifest(apps, appIds !== undefined, counts);
      goOn(signal);
      const random = crypto.getRandomValues(new Uint8Array(44));
      if (words !== undefined) report({ phase: 'key', table: null, done: 0, total: null });
      const key = words === undefined ? undefined : await deriveKey(ask, words, random.slice(0, 16), ITERATIONS);
      await ask('write', JSON.stringify(manifest), key, random);
      const file = new Parts();
      const written = new Written(counts);
      for (const table of tables) {
        await ask('writeTable', table);
        await this.#exportTable(user, table, named, async (lines, missing, count) => {
          goOn(signal);
          file.add(await ask('writeRows', lines));
          written.add(table, missing, count);
          report({ phase: 'rows', table, done: written.rows(table), total: counts[table] ?? 0 });
        });
      }
      report({ phase: 'file', table: null, done: 0, total: null });
      const rest = await ask('finish', JSON.stringify(written.missing));
      const name = fileName(manifest, words !== undefined);
      return { blob: file.blob(rest), fileName: name, rowCounts: written.counts, missing: written.missing };
    });
  }

  async inspect(file: Blob): Promise<ArchiveInfo> {
    fileArgument(file);
    return withJob(undefined, async (ask) => infoOf(await ask('read', file)));
  }

  async import(file: Blob, options?: ImportOptions): Promise<ImportResult> {
    fileArgument(file);
    const { passphrase, mode, dryRun, spaceId, onProgress, signal } = optionsArgument(options, 'The options of import');
    const overwrite = wordArgument(mode ?? 'merge', ['merge', 'overwrite'], 'A mode') === 'overwrite';
    const space = spaceId === undefined ? null : textArgument(spaceId, 'spaceId');
    if (passphrase !== undefined) textArgument(passphrase, 'passphrase');
    const report = reporter(onProgress);
    const user = this.#options.user?.id ?? null;
    const result = new Imported(dryRun === true);
    const taken = withJob(signal, async (ask) => {
      let described = await ask('read', file);
      checkVersions(described.manifest, this.#options);
      if (described.seal) described = await unsealed(ask, file, described.seal, passphrase, report);
      report({ phase: 'file', table: null, done: 0, total: null });
      // Pages are committed one by one: what is wrong further on must be known before the first.
      await ask('check');
      const { manifest, tables } = described;
      const { exportedAt, rowCounts = {} } = manifest;
      const how = { user, overwrite, dryRun: dryRun === true, spaceId: space, exportedAt };
      result.missing = JSON.parse(await ask('missing'));
      const known = tables.filter((name) => this.#appOf(name) !== undefined);
      result.skipped.push(...tables.filter((name) => this.#appOf(name) === undefined));
      const around = [user, space, ...(this.#options.spaces ?? []).map(({ id }) => id)];
      await ask('keep', [manifest.userId, ...around.filter((id) => id !== null)]);
      for (const name of known) {
        await this.#renameReferences(ask, name, how, () => {
          goOn(signal);
          report({ phase: 'file', table: null, done: 0, total: null });
        });
      }
      await ask('settle', known);
      for (const name of known) {
        const app = this.#appOf(name) as string;
        const schemaVersion = versionIn(manifest, this.#options, app);
        await this.#importTable(ask, name, { ...how, schemaVersion }, result, (done) => {
          goOn(signal);
          report({ phase: 'rows', table: name, done, total: rowCounts[name] ?? null });
        });
      }
      return result.shown();
    });
    return taken.catch((error) => {
      throw result.explained(error);
    });
  }

  get #options(): RawOptions {
    return this.#connection().options;
  }

  #apps(asked: readonly string[] | undefined): readonly string[] {
    const known = Object.keys(this.#options.apps);
    const unknown = asked?.find((app) => !known.includes(app));
    if (unknown === undefined) return asked ?? known;
    throw new ManaError('unknown_app', `There is no app ${unknown} in \`apps\`.`, { details: { appId: unknown } });
  }

  /** The app that a table syncs with. */
  #appOf(table: string): string | undefined {
    return Object.entries(this.#options.apps).find(([, { tables }]) => Object.hasOwn(tables, table))?.[0];
  }

  /** What is not on the device cannot be in its backup. */
  async #ensure(apps: readonly string[]): Promise<void> {
    const { sync, user } = this.#options;
    if (sync === null || user === null) return;
    for (const app of apps) await this.#connection().run((raw) => raw.ensure(app));
  }

  async #counts(
    user: string | undefined,
    tables: readonly string[],
    spaces: string[],
  ): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const table of tables)
      counts[table] = await this.#connection().run((raw) => raw.exportCount(user, table, spaces));
    return counts;
  }

  #manifest(appIds: readonly string[], isFiltered: boolean, rowCounts: Record<string, number>): RawManifest {
    const { apps, schema, user } = this.#options;
    return {
      formatVersion: 2,
      schemaVersion: schema.version,
      appSchemaVersions: appVersions(apps, appIds),
      producedBy: '@mana/sync-engine',
      exportedAt: new Date().toISOString(),
      userId: user?.id ?? 'guest',
      scope: isFiltered ? { type: 'filtered', appIds } : { type: 'full' },
      rowCounts,
      fieldsPlaintext: true,
    };
  }

  async #exportTable(
    user: string | undefined,
    table: string,
    spaces: string[],
    take: (lines: string, missing: readonly MissingValue[], count: number) => Promise<void>,
  ): Promise<void> {
    let after: string | null = null;
    let rows = FIRST_ROWS;
    do {
      const page: RawExportPage = await this.#connection().run((raw) =>
        raw.exportPage(user, table, spaces, after ?? undefined, rows),
      );
      const missing = page.unreadable.map(({ id, field }) => ({ table, id, field }));
      if (page.count > 0) await take(page.lines, missing, page.count);
      // A page is made in one piece, for which the app waits.
      rows = Math.max(1, Math.min(PAGE_ROWS, Math.floor((rows * PAGE_BYTES) / Math.max(1, page.lines.length))));
      after = page.next;
    } while (after !== null);
  }

  /** Has the job put what records of a table will be called wherever another record names them. */
  async #renameReferences(ask: Ask, table: string, how: RawImportHow, report: () => void): Promise<void> {
    await ask('readTable', table);
    for (;;) {
      report();
      const rows = await ask('readIdentities', IDENTITY_BYTES, PAGE_ROWS);
      if (!rows) return;
      const { renamed } = await this.#connection().run((raw) => raw.importPage(table, rows, { ...how, dryRun: true }));
      if (renamed.length > 0) await ask('rename', renamed);
    }
  }

  async #importTable(
    ask: Ask,
    table: string,
    how: RawImportHow,
    result: Imported,
    report: (done: number) => void,
  ): Promise<void> {
    await ask('readTable', table);
    const counts = result.begin(table);
    for (let done = 0; ; report(done)) {
      const page = await ask('readRows', PAGE_BYTES);
      if (!page) return;
      const became = await this.#connection().run((raw) => raw.importPage(table, page.rows, how));
      counts.add(became, page.lines, page.references);
      done += page.lines.length;
    }
  }
}

function fileArgument(file: unknown): void {
  if (!(file instanceof Blob)) throw invalidArgument('An archive is a Blob or a File.');
}

function newPassphrase(words: unknown): string {
  // Keyboards and systems differ in how they spell one letter.
  if (typeof words === 'string' && words !== '') return words.normalize('NFKC');
  throw invalidArgument('A passphrase is a text that is not empty.');
}

function reporter(onProgress: Report | undefined): Report {
  if (onProgress === undefined) return () => {};
  return functionArgument(onProgress, 'onProgress');
}

/** PBKDF2 of the passphrase in NFKC: by the platform, which is faster and does not hold up anything, or by the module. */
async function deriveKey(
  ask: Ask,
  words: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return ask('derive', words, salt, iterations);
  const key = await subtle.importKey('raw', new TextEncoder().encode(words), 'PBKDF2', false, ['deriveBits']);
  return new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, key, 256));
}

async function unsealed(
  ask: Ask,
  file: Blob,
  { salt, iterations }: NonNullable<Description['seal']>,
  passphrase: string | undefined,
  report: Report,
): Promise<Description> {
  if (passphrase === undefined) {
    throw new ManaError('passphrase_required', 'The archive is sealed: its passphrase is needed.');
  }
  const open = async (words: string) => {
    report({ phase: 'key', table: null, done: 0, total: null });
    const key = await deriveKey(ask, words, Uint8Array.from(salt), iterations);
    report({ phase: 'file', table: null, done: 0, total: null });
    return ask('unseal', key);
  };
  const normal = passphrase.normalize('NFKC');
  try {
    return await open(normal);
  } catch (error) {
    const isWrong = error instanceof ManaError && error.code.startsWith('wrong_passphrase');
    if (!isWrong || passphrase === normal) throw error;
    // Programs of before took it as it was typed.
    await ask('read', file);
    return await open(passphrase);
  }
}

function infoOf({ manifest, isSealed }: Description): ArchiveInfo {
  const { exportedAt, producedBy, userId, scope, schemaVersion, rowCounts = {} } = manifest;
  const appIds = scope.type === 'full' ? null : scope.appIds;
  return { isSealed, exportedAt, producedBy, userId, appIds, schemaVersion, rowCounts };
}

function fileName({ scope, exportedAt }: RawManifest, isSealed: boolean): string {
  const what = scope.type === 'full' ? 'full' : scope.appIds.join('-');
  return `mana-${what.replace(/[^\w-]+/g, '_')}-${exportedAt.slice(0, 10)}${isSealed ? '.sealed' : ''}.mana`;
}

/** The parts of a file. */
class Parts {
  readonly #parts: Blob[] = [];
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;

  add(bytes: Uint8Array): void {
    this.#waiting.push(bytes as Uint8Array<ArrayBuffer>);
    this.#bytes += bytes.length;
    if (this.#bytes >= PART_BYTES) this.#hand();
  }

  /** The file, of which this is the rest. */
  blob(rest: Blob): Blob {
    this.#hand();
    return new Blob([...this.#parts, rest], { type: 'application/zip' });
  }

  #hand(): void {
    this.#parts.push(new Blob(this.#waiting));
    this.#waiting = [];
    this.#bytes = 0;
  }
}

/** What went into an archive. */
class Written {
  readonly missing: MissingValue[] = [];
  readonly counts: Record<string, number>;

  constructor(tables: Readonly<Record<string, number>>) {
    this.counts = Object.fromEntries(Object.keys(tables).map((table) => [table, 0]));
  }

  add(table: string, missing: readonly MissingValue[], count: number): void {
    this.missing.push(...missing);
    this.counts[table] = this.rows(table) + count;
  }

  rows(table: string): number {
    return this.counts[table] ?? 0;
  }
}
