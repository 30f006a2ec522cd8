// Archives sealed and opened by WebCrypto, by the module where there is none, and by it where WebCrypto refuses.
import { ArchiveJob } from './pkg/archive-job.js';

const platform = crypto.subtle;
let used = 0;
const refused = () => Promise.reject(new DOMException('too large', 'OperationError'));
const counted = (name) => (algorithm, key, bytes) => {
  used += 1;
  return platform[name](algorithm, key, bytes);
};
const importKey = (...given) => platform.importKey(...given);
const ways = {
  platform: { importKey, encrypt: counted('encrypt'), decrypt: counted('decrypt') },
  none: undefined,
  refusing: { importKey, encrypt: refused, decrypt: refused },
};

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const textOf = async (blob) => {
  let text = '';
  for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
  return btoa(text);
};

async function begun(way) {
  Object.defineProperty(crypto, 'subtle', { value: ways[way], configurable: true });
  used = 0;
  const job = new ArchiveJob();
  await job.call('load', ['./pkg/archive.wasm']);
  return job;
}

globalThis.archives = {
  /** An archive of these pages of rows as base64, and how often WebCrypto was used. */
  async seal(way, manifest, key, random, pages) {
    const job = await begun(way);
    await job.call('write', [JSON.stringify(manifest), bytesOf(key), bytesOf(random)]);
    await job.call('writeTable', ['tasks']);
    for (const page of pages) await job.call('writeRows', [page]);
    return { bytes: await textOf(await job.call('finish', ['[]'])), used };
  },

  /** The rows of an archive, or the code that it is refused with. */
  async open(way, archive, key) {
    const job = await begun(way);
    try {
      await job.call('read', [new Blob([bytesOf(archive)])]);
      await job.call('unseal', [bytesOf(key)]);
      await job.call('readTable', ['tasks']);
      const rows = [];
      for (let page = await job.call('readRows', [1000]); page; page = await job.call('readRows', [1000])) {
        rows.push(...JSON.parse(page.rows));
      }
      return { rows, used };
    } catch (error) {
      return error.code ?? String(error);
    }
  },
};
