/** The border to the WASM module of archives. Not part of the public surface. */

export interface ArchiveGlue {
  initSync(options: { module: WebAssembly.Module }): unknown;
  ArchiveReader: new (size: number, read: (from: number, to: number) => Uint8Array) => RawReader;
  ArchiveWriter: new (manifest: string, key: Uint8Array | undefined, random: Uint8Array) => RawWriter;
  deriveKey(normalized: string, salt: Uint8Array, iterations: number): Uint8Array;
}

export interface RawReader {
  /** A `Description` as JSON. */
  describe(): string;
  /** Where the sealed body begins and ends in the file. Throws unless its checksum is right and the key is not another one. */
  sealedPlace(key: Uint8Array): Float64Array;
  /** Opens the bytes of that place. */
  decrypt(key: Uint8Array, sealed: Uint8Array): Uint8Array;
  /** Goes on with what they came to, of which `read` gives any part. */
  opened(size: number, read: (from: number, to: number) => Uint8Array): void;
  /** Throws unless all of it is as it was written. */
  check(): void;
  /** A list of `MissingValue` as JSON. */
  missing(): string;
  table(name: string): void;
  /** Rows as a JSON list, the numbers of their lines, and how many of their values are new names of records. */
  next(bytes: number): [string, Float64Array, number] | null;
  /** What says which rows they are, and where, as a JSON list of at most so many. Users and spaces that it names keep their ids. */
  identities(bytes: number, rows: number): string | null;
  /** Has values that are the one id be the other. */
  rename(from: string, to: string): void;
  /** Has values that are the id stay. */
  keep(id: string): void;
  /** Has ids stay that rows of a table have, too, which keep them: to be asked of all tables. */
  settle(table: string): void;
}

export interface RawWriter {
  table(name: string): void;
  /** Rows in UTF-8, one per line. */
  rows(lines: Uint8Array): void;
  missing(fields: string): void;
  /** What was written since: of the archive, or of the body that will be sealed. */
  take(): Uint8Array;
  /** The last bytes of the same. */
  finish(): Uint8Array;
  /** Seals the whole body. */
  encrypt(body: Uint8Array): Uint8Array;
  /** Takes note of the next piece of the sealed body. */
  sealed(piece: Uint8Array): void;
  /** What comes before the sealed body, and after it. */
  around(): [Uint8Array, Uint8Array];
}

/** What a reader says of its archive. */
export interface Description {
  readonly manifest: RawManifest;
  readonly isSealed: boolean;
  readonly tables: readonly string[];
  readonly seal: {
    readonly iterations: number;
    readonly salt: readonly number[];
    readonly iv: readonly number[];
  } | null;
}

/** docs/archive-format.md describes it. */
export interface RawManifest {
  readonly formatVersion: 2;
  readonly schemaVersion: number;
  readonly appSchemaVersions?: Readonly<Record<string, number>>;
  readonly producedBy: string;
  readonly exportedAt: string;
  readonly userId: string;
  readonly scope: { readonly type: 'full' } | { readonly type: 'filtered'; readonly appIds: readonly string[] };
  readonly rowCounts?: Readonly<Record<string, number>>;
  readonly fieldsPlaintext: boolean;
  readonly passphrase?: object;
}
