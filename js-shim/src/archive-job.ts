/** What is done with one archive, in a worker or, where there is none, in the page itself. */

import { createGlue } from './archive-glue.js';
import type { ArchiveGlue, Description, RawReader, RawWriter } from './archive-raw.js';
import { type Bytes, opened, sealed } from './archive-seal.js';

/** What a job is asked, by name: the arguments and the answer. */
export interface JobCalls {
  /** Loads the module from an address. */
  load(url: string): void;
  derive(normalized: string, salt: Uint8Array, iterations: number): Uint8Array;
  write(manifest: string, key: Uint8Array | undefined, random: Uint8Array): void;
  writeTable(name: string): void;
  /** Gives the bytes that are ready; none of what will be sealed. */
  writeRows(lines: string): Uint8Array;
  /** Gives the rest, as the browser keeps it. */
  finish(missing: string): Blob;
  read(file: Blob): Description;
  unseal(key: Uint8Array): Description;
  check(): void;
  missing(): string;
  readTable(name: string): void;
  readRows(bytes: number): { rows: string; lines: Float64Array; references: number } | null;
  /** At most so many rows, of which no more is there than what says which they are, and where. */
  readIdentities(bytes: number, rows: number): string | null;
  /** Has values of the rows that are read from then on be the new names of records. */
  rename(names: { from: string; to: string }[]): void;
  /** Has values that are these ids stay: they name something else as well. */
  keep(ids: string[]): void;
  /** Has those stay, too, that records of these tables have which keep them. */
  settle(tables: string[]): void;
}

/** The most of a file that is read where no part of it can be read at once: in a page. */
const MOST_IN_PAGE = 512 * 1024 * 1024;
/** Bytes that the module looks at at once. */
const PIECE_BYTES = 1024 * 1024;
/** Where the initialization vector of a seal lies in its random bytes, after PBKDF2's salt. */
const IV = [16, 28] as const;

const encoder = new TextEncoder();

/** One archive that is read or written. */
export class ArchiveJob {
  #glue: ArchiveGlue | undefined;
  #writer: RawWriter | undefined;
  #reader: RawReader | undefined;
  #file = new Blob();
  #seal: Seal | undefined;

  /** Does what it is asked. */
  async call<Name extends keyof JobCalls>(
    name: Name,
    given: Parameters<JobCalls[Name]>,
  ): Promise<ReturnType<JobCalls[Name]>> {
    const method = this.#methods[name] as (...given: unknown[]) => unknown;
    return (await method(...given)) as ReturnType<JobCalls[Name]>;
  }

  readonly #methods: { [Name in keyof JobCalls]: (...given: Parameters<JobCalls[Name]>) => unknown } = {
    load: async (url) => {
      this.#glue = createGlue();
      this.#glue.initSync({ module: await compiled(url) });
    },
    derive: (normalized, salt, iterations) => this.#module.deriveKey(normalized, salt, iterations),
    write: (manifest, key, random) => {
      this.#writer = new this.#module.ArchiveWriter(manifest, key, random);
      this.#seal = key && { key: key as Bytes, iv: random.slice(...IV) as Bytes, body: [] };
    },
    writeTable: (name) => this.#writing.table(name),
    writeRows: (lines) => {
      this.#writing.rows(encoder.encode(lines));
      const ready = this.#writing.take();
      if (!this.#seal) return ready;
      this.#seal.body.push(ready);
      return new Uint8Array();
    },
    finish: async (missing) => {
      if (missing !== '[]') this.#writing.missing(missing);
      const last = this.#writing.finish() as Bytes;
      if (!this.#seal) return new Blob([last]);
      this.#seal.body.push(last);
      return sealedFile(this.#writing, this.#seal);
    },
    read: async (file) => {
      const read = await readerOf(file);
      this.#reader = new this.#module.ArchiveReader(file.size, read);
      this.#file = file;
      return this.#described;
    },
    unseal: async (key) => {
      const [from, to] = this.#reading.sealedPlace(key);
      const iv = Uint8Array.from(this.#described.seal?.iv ?? []);
      const bytes = new Uint8Array(await this.#file.slice(from, to).arrayBuffer());
      const body = (await opened(key as Bytes, iv, bytes)) ?? this.#reading.decrypt(key, bytes);
      this.#reading.opened(body.length, (from, to) => body.subarray(from, to));
      return this.#described;
    },
    check: () => this.#reading.check(),
    missing: () => this.#reading.missing(),
    readTable: (name) => this.#reading.table(name),
    readRows: (bytes) => {
      const page = this.#reading.next(bytes);
      return page && { rows: page[0], lines: page[1], references: page[2] };
    },
    readIdentities: (bytes, rows) => this.#reading.identities(bytes, rows),
    rename: (names) => {
      for (const { from, to } of names) this.#reading.rename(from, to);
    },
    keep: (ids) => {
      for (const id of ids) this.#reading.keep(id);
    },
    settle: (tables) => {
      for (const table of tables) this.#reading.settle(table);
    },
  };

  get #module(): ArchiveGlue {
    if (!this.#glue) throw new Error('the module of archives is not loaded');
    return this.#glue;
  }

  get #writing(): RawWriter {
    if (!this.#writer) throw new Error('no archive is written');
    return this.#writer;
  }

  get #reading(): RawReader {
    if (!this.#reader) throw new Error('no archive is read');
    return this.#reader;
  }

  get #described(): Description {
    return JSON.parse(this.#reading.describe());
  }
}

/** What becomes an archive when its last row was written: the pieces of its body, in the clear, and what seals them. */
interface Seal {
  readonly key: Bytes;
  readonly iv: Bytes;
  readonly body: Uint8Array[];
}

async function sealedFile(writer: RawWriter, { key, iv, body }: Seal): Promise<Blob> {
  const whole = joined(body);
  const bytes = (await sealed(key, iv, whole)) ?? (writer.encrypt(whole) as Bytes);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) writer.sealed(bytes.subarray(at, at + PIECE_BYTES));
  const [head, tail] = writer.around();
  return new Blob([head as Bytes, bytes, tail as Bytes]);
}

/** The pieces as one, each let go as soon as it is copied. */
function joined(pieces: Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.length, 0));
  let at = 0;
  for (let piece = pieces.shift(); piece; piece = pieces.shift()) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

async function compiled(url: string): Promise<WebAssembly.Module> {
  const response = await fetch(url, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** What gives any part of a file at once. Only workers have that; elsewhere the file is held. */
async function readerOf(file: Blob): Promise<(from: number, to: number) => Uint8Array> {
  if (typeof FileReaderSync === 'function') {
    const reader = new FileReaderSync();
    return (from, to) => new Uint8Array(reader.readAsArrayBuffer(file.slice(from, to)));
  }
  if (file.size > MOST_IN_PAGE) {
    const message = `the archive has ${file.size} bytes; without a worker at most ${MOST_IN_PAGE} are read`;
    throw Object.assign(new Error(message), { code: 'archive_too_large' });
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  return (from, to) => bytes.subarray(from, to);
}

declare const FileReaderSync: undefined | (new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer });
