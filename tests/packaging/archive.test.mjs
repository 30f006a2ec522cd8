// Whether WebCrypto or the module seals an archive, or opens it, nobody can tell from what comes of it.
import assert from 'node:assert/strict';
import { createHash, pbkdf2Sync } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';

const manifest = {
  formatVersion: 2,
  schemaVersion: 3,
  producedBy: 'test',
  exportedAt: '2026-04-22T12:34:56.789Z',
  userId: 'ada',
  scope: { type: 'full' },
  rowCounts: {},
  fieldsPlaintext: true,
};
const ways = ['platform', 'none', 'refusing'];
/** What the manifests of older archives name, and what they are sealed with. */
const salt = Buffer.from('EZ2J_obisEdSMC18MRrEeg', 'base64url');
const words = 'correct horse battery staple';
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const key = base64(new Uint8Array(32).fill(7));
const random = base64(Uint8Array.from({ length: 44 }, (_, at) => at));
/** Rows that DEFLATE makes little of, some 3 MB in all: more than one piece of the body, and of what is sealed. */
const rows = Array.from({ length: 20_000 }, (_, at) => {
  return { id: `r${at}`, title: 'Grüße 🚀', sum: createHash('sha512').update(String(at)).digest('base64') };
});
const pages = Array.from({ length: 4 }, (_, at) => {
  const page = rows.slice(at * 5000, (at + 1) * 5000);
  return page.map((row) => `${JSON.stringify(row)}\n`).join('');
});

describe('the seal of an archive', { timeout: 300_000 }, () => {
  let browser;
  let directory;
  let server;
  let page;
  const tell = (name, ...given) => page.evaluate(([name, given]) => globalThis.archives[name](...given), [name, given]);
  const seal = (way) => tell('seal', way, manifest, key, random, pages);
  const open = (way, archive, by = key) => tell('open', way, archive, by);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-seal-'));
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    await cp(join(root, 'tests/packaging/archive/seal.js'), join(directory, 'seal.js'));
    const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/seal.js"></script>';
    await writeFile(join(directory, 'index.html'), html);
    server = await serve(directory);
    browser = await startBrowser();
    page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(server.url);
    await page.waitForFunction(() => 'archives' in globalThis);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('is the same bytes, and opens, whichever way it is made', async () => {
    const made = {};
    for (const way of ways) made[way] = await seal(way);
    assert.deepEqual([made.platform.used, made.none.used, made.refusing.used], [1, 0, 0]);
    assert.ok(made.platform.bytes.length > 1_500_000, `${made.platform.bytes.length} bytes`);
    assert.equal(made.none.bytes, made.platform.bytes);
    assert.equal(made.refusing.bytes, made.platform.bytes);
    for (const way of ways) {
      const { rows: read, used } = await open(way, made.platform.bytes);
      assert.deepEqual(read, rows, way);
      assert.equal(used, way === 'platform' ? 1 : 0);
    }
  });

  it('tells a wrong passphrase, damage and what cannot be told apart, whichever way it is opened', async () => {
    const { bytes } = await seal('platform');
    const whole = Buffer.from(bytes, 'base64');
    const flipped = Buffer.from(whole);
    flipped[1000] ^= 1;
    const resealed = withRightChecksum(flipped);
    const older = await readFile(join(root, 'archive/tests/fixtures/sealed.mana'));
    const tampered = await readFile(join(root, 'archive/tests/fixtures/sealed-tampered.mana'));
    const right = base64(pbkdf2Sync(words, salt, 600_000, 32, 'sha256'));
    const other = base64(new Uint8Array(32).fill(8));
    for (const way of ways) {
      assert.equal(await open(way, bytes, other), 'wrong_passphrase', way);
      assert.equal(await open(way, base64(flipped)), 'archive_damaged', `${way}: its checksum`);
      assert.equal(await open(way, base64(flipped), other), 'archive_damaged', `${way}: its checksum, whoever asks`);
      assert.equal(await open(way, base64(resealed)), 'archive_damaged', `${way}: its tag`);
      assert.equal(await open(way, base64(resealed), other), 'wrong_passphrase', way);
      assert.equal(await open(way, base64(older), other), 'wrong_passphrase_or_damaged', way);
      assert.equal((await open(way, base64(older), right)).rows.length, 250, way);
      assert.equal(await open(way, base64(tampered), right), 'wrong_passphrase_or_damaged', way);
    }
  });
});

/** As somebody would who changes a sealed body: with its entry's checksum made right again, in both of its headers. */
function withRightChecksum(archive) {
  const changed = Buffer.from(archive);
  const [local, entry] = [changed.indexOf('data.sealed') - 30, changed.lastIndexOf('data.sealed') - 46];
  const data = changed.subarray(local + 41, local + 41 + changed.readUInt32LE(local + 18));
  const sum = crc32(data);
  assert.notEqual(sum, changed.readUInt32LE(local + 14), 'it lies in the body');
  changed.writeUInt32LE(sum, local + 14);
  changed.writeUInt32LE(sum, entry + 16);
  return changed;
}
