/** The types of `engine.archive`. */

import type { ManaErrorCode } from './errors.js';

/** Backups of a person's records, in files that [any zip program opens](https://en.wikipedia.org/wiki/ZIP_(file_format)). */
export interface Archives {
  /**
   * Writes the user's live records into a file, sealed with a passphrase where one is given. Works in a worker and holds a page of
   * rows at a time; only a sealed archive is held whole, and is refused over 1 GiB (`archive_too_large`). Rejects with
   * `vault_locked` while encrypted fields cannot be opened, and with what `sync.ensure` says where a lazy app's records are not here.
   */
  export(options?: ExportOptions): Promise<ExportResult>;
  /** Reads what an archive says of itself, without its passphrase: of a sealed one, certain only once it was opened. */
  inspect(file: Blob): Promise<ArchiveInfo>;
  /**
   * Takes the records of an archive in, as the user's own: encrypted under their key, synced, and stamped with when they were
   * written, so that what was written later stands. All of the file is checked before any of it is applied; then whole pages are.
   * After an error, or `cancelled`, `details.applied` of the `ManaError` says what was, as an `ImportResult`, where that had begun;
   * doing it again comes to the same.
   */
  import(file: Blob, options?: ImportOptions): Promise<ImportResult>;
}

/** What goes into an archive. */
export interface ExportOptions {
  /** The apps whose records are wanted; left out: all of them. */
  readonly appIds?: readonly string[];
  /** Shared spaces whose records are wanted besides the user's own; never other members' private ones. */
  readonly spaces?: readonly string[];
  /** Seals the archive: AES-256-GCM under a key of PBKDF2 with 600,000 iterations. Nobody opens it without these words. */
  readonly passphrase?: string;
  /** Told as it goes on. */
  readonly onProgress?: (progress: ArchiveProgress) => void;
  /** Cancels it: it rejects with `cancelled`, whose `cause` is the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How far it is. */
export interface ArchiveProgress {
  /** `key`: a passphrase becomes a key, which takes a while; `rows`: records go out or come in; `file`: the file is sealed, opened, or checked. */
  readonly phase: 'key' | 'rows' | 'file';
  /** The table, while `rows`. */
  readonly table: string | null;
  /** Rows of it so far. */
  readonly done: number;
  /** How many there were when it began; `null` where the archive does not say. */
  readonly total: number | null;
}

/** A field that is missing in an archive. */
export interface MissingValue {
  /** The table. */
  readonly table: string;
  /** The record. */
  readonly id: string;
  /** The field. */
  readonly field: string;
}

/** An archive that was written. */
export interface ExportResult {
  /** The file. */
  readonly blob: Blob;
  /** A name for it, such as `mana-full-2026-11-27.mana`. */
  readonly fileName: string;
  /** How many records of each table are in it. */
  readonly rowCounts: Readonly<Record<string, number>>;
  /** Values that nothing here could open, and which are not in it. Empty: it is complete. */
  readonly missing: readonly MissingValue[];
}

/** What an archive says of itself. */
export interface ArchiveInfo {
  /** Whether it takes a passphrase to read it. */
  readonly isSealed: boolean;
  /** When it was written, in ISO 8601. */
  readonly exportedAt: string;
  /** The program that wrote it. */
  readonly producedBy: string;
  /** Whose records they are. */
  readonly userId: string;
  /** The apps whose records it has; `null`: all. */
  readonly appIds: readonly string[] | null;
  /** The version of the database that it was written from. */
  readonly schemaVersion: number;
  /** How many records of each table it says that it has. */
  readonly rowCounts: Readonly<Record<string, number>>;
}

/** How an archive is taken in. */
export interface ImportOptions {
  /** For a sealed one. */
  readonly passphrase?: string;
  /** `merge` (the default): what was written or deleted here later stands; `overwrite`: what the archive says wins. */
  readonly mode?: 'merge' | 'overwrite';
  /** Write nothing, and say what would become of the records. */
  readonly dryRun?: boolean;
  /** The space all records go to; left out: the user's own, but for records of shared spaces that the user is in. */
  readonly spaceId?: string;
  /** Told as it goes on. */
  readonly onProgress?: (progress: ArchiveProgress) => void;
  /** Cancels it (`cancelled`): pages that were taken in stay, and `details.applied` says what came of them. */
  readonly signal?: AbortSignal;
}

/** What became of the records of a table, or would. */
export interface ImportedTable {
  /** The table. */
  readonly table: string;
  /** Records that were not here. */
  readonly new: number;
  /** Records of which something was taken. */
  readonly changed: number;
  /** Records of which all was here, or something newer. */
  readonly unchanged: number;
  /** Records that were deleted here later. */
  readonly deleted: number;
  /** Records that were not taken: see `ImportResult.left`. */
  readonly left: number;
}

/** What became of an archive, or would. */
export interface ImportResult {
  /** Per table of it that this app has. */
  readonly tables: readonly ImportedTable[];
  /** Records whose ids another space has, and what they are called here. */
  readonly renamed: readonly { readonly table: string; readonly from: string; readonly to: string }[];
  /** Values that were the id of such a record, and are what it is called here. */
  readonly references: number;
  /** Records that were not taken, with their lines in the archive, and why. */
  readonly left: readonly {
    readonly table: string;
    readonly line: number;
    readonly id: string | null;
    readonly code: ManaErrorCode;
    readonly message: string;
  }[];
  /** Tables that this app does not have, or that do not sync. */
  readonly skipped: readonly string[];
  /** What was missing when it was written. */
  readonly missing: readonly MissingValue[];
}
