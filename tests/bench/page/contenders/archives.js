// 20 MB of JSON lines packed and unpacked, from and to pages of text, as an export reads rows and an import writes them: by the
// package's archive module, by fflate, and by the platform's streams. All pack at level 6, or at what Chromium takes for it.
import { Inflate, strToU8, Zip, ZipDeflate } from '/fflate.js';

export const archivers = (engines) => [new PlatformStreams(), new Fflate(), ...engines.map((name) => new Module(name))];

const pageBytes = 256 * 1024;
const manifest = JSON.stringify({
  formatVersion: 2,
  schemaVersion: 1,
  producedBy: 'bench',
  exportedAt: '2026-01-01T00:00:00.000Z',
  userId: 'u1',
  scope: { type: 'full' },
  rowCounts: {},
  fieldsPlaintext: true,
});

/** Without zip, checksum and checks: no more than the packing itself. */
class PlatformStreams {
  name = 'CompressionStream';
  packs = true;
  onlySeals = true;

  async open() {}
  async close() {}

  pack(pages) {
    return through(new CompressionStream('deflate-raw'), encoded(pages));
  }

  unpack(packed) {
    return texts(packed.stream().pipeThrough(new DecompressionStream('deflate-raw')));
  }
}

/** A zip, as fflate writes and checks it; unpacked without its headers, in the same pieces as the others. */
class Fflate {
  name = 'fflate';
  packs = true;
  onlySeals = true;

  async open() {}
  async close() {}

  async pack(pages) {
    const parts = [];
    const zip = new Zip((error, part) => {
      if (error) throw error;
      parts.push(part);
    });
    const entry = new ZipDeflate('records.jsonl', { level: 6 });
    zip.add(entry);
    for (const page of pages) entry.push(strToU8(page));
    entry.push(new Uint8Array(), true);
    zip.end();
    return new Blob(parts);
  }

  async unpack(packed) {
    const bytes = new Uint8Array(await packed.arrayBuffer());
    const start = 30 + bytes[26] + 256 * bytes[27] + bytes[28];
    const decoder = new TextDecoder();
    const read = [];
    const inflate = new Inflate((part) => read.push(decoder.decode(part, { stream: true })));
    for (let at = start; at < bytes.length; at += pageBytes) inflate.push(bytes.subarray(at, at + pageBytes));
    return read;
  }
}

/** All that an archive is: manifest, zip, checksums, and on reading each row looked at. In the page, loaded; an app has it in a worker. */
class Module {
  packs = true;
  onlySeals = true;

  constructor(name) {
    this.name = name;
  }

  async open() {
    const { ArchiveJob } = await import(`/engines/${this.name}/archive-job.js`);
    const job = new ArchiveJob();
    await job.call('load', [`/engines/${this.name}/archive.wasm`]);
    return (name, ...given) => job.call(name, given);
  }

  async close() {}

  async pack(pages, ask) {
    await ask('write', manifest, undefined, new Uint8Array(44));
    await ask('writeTable', 'records');
    const parts = [];
    for (const page of pages) parts.push(await ask('writeRows', page));
    return new Blob([...parts, await ask('finish', '[]')]);
  }

  async unpack(packed, ask) {
    await ask('read', packed);
    await ask('readTable', 'records');
    const read = [];
    for (let page = await ask('readRows', pageBytes); page; page = await ask('readRows', pageBytes)) {
      read.push(page.rows);
    }
    return read;
  }
}

function encoded(pages) {
  const encoder = new TextEncoder();
  const next = pages.values();
  return new ReadableStream({
    pull(to) {
      const { value, done } = next.next();
      if (done) to.close();
      else to.enqueue(encoder.encode(value));
    },
  });
}

const through = (stream, from) => new Response(from.pipeThrough(stream)).blob();

async function texts(bytes) {
  const read = [];
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) read.push(text);
  return read;
}
