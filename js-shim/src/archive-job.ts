/** What is done with one archive, in a worker or, where there is none, in the page itself. */

import { createGlue } from './archive-glue.js';
import type { ArchiveGlue, Description, RawReader, RawWriter } from './archive-raw.js';

/** What a job is asked, by name: the arguments and the answer. */
export interface JobCalls {
  /** Loads the module from an address. */
  load(url: string): void;
  derive(normalized: string, salt: Uint8Array, iterations: number): Uint8Array;
  write(manifest: string, key: Uint8Array | undefined, random: Uint8Array): void;
  writeTable(name: string): void;
  /** Gives the bytes that are ready. */
  writeRows(lines: string): Uint8Array;
  finish(missing: string): Uint8Array;
  read(file: Blob): Description;
  unseal(key: Uint8Array): Description;
  missing(): string;
  readTable(name: string): void;
  readRows(bytes: number): { rows: string; lines: Float64Array } | null;
}

/** The most of a file that is read where no part of it can be read at once: in a page. */
const MOST_IN_PAGE = 512 * 1024 * 1024;

/** One archive that is read or written. */
export class ArchiveJob {
  #glue: ArchiveGlue | undefined;
  #writer: RawWriter | undefined;
  #reader: RawReader | undefined;

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
    },
    writeTable: (name) => this.#writing.table(name),
    writeRows: (lines) => {
      this.#writing.rows(lines);
      return this.#writing.take();
    },
    finish: (missing) => {
      if (missing !== '[]') this.#writing.missing(missing);
      return this.#writing.finish();
    },
    read: async (file) => {
      const read = await readerOf(file);
      this.#reader = new this.#module.ArchiveReader(file.size, read);
      return this.#described;
    },
    unseal: (key) => {
      this.#reading.unseal(key);
      return this.#described;
    },
    missing: () => this.#reading.missing(),
    readTable: (name) => this.#reading.table(name),
    readRows: (bytes) => {
      const page = this.#reading.next(bytes);
      return page && { rows: page[0], lines: page[1] };
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
