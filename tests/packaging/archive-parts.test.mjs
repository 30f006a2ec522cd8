// What archives need beside the engine: it is fetched when it is first used, and makes keys where a page has no WebCrypto.
import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';

/** What the job of an archive consists of. */
const parts = ['archive-glue.js', 'archive-job.js', 'archive-seal.js', 'archive-worker.js', 'archive.wasm'];
/** Milliseconds after which a page that has nothing to do would have fetched what it wants early. */
const idle = 2000;
/** One letter of it is spelt in two ways. */
const words = 'Caf\u00e9 \u2460, correct horse';
const spelt = 'Cafe\u0301 \u2460, correct horse';

describe('what archives need beside the engine', { timeout: 180_000 }, () => {
  let browser;
  let directory;
  let server;
  let page;
  /** Whatever is fetched, by pages and by workers. */
  const fetched = [];
  const fetchedOf = (isMeant) => fetched.filter(isMeant).sort();
  const tell = (name, ...given) => page.evaluate(([name, given]) => globalThis.device[name](...given), [name, given]);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-archive-parts-'));
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    await cp(join(root, 'tests/packaging/archive/engine.js'), join(directory, 'engine.js'));
    const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/engine.js"></script>';
    await writeFile(join(directory, 'index.html'), html);
    const note = (path) => {
      fetched.push(path.split('/').at(-1));
      return false;
    };
    server = await serve(directory, { hide: note });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    fetched.length = 0;
    page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(server.url);
    await page.waitForFunction(() => 'device' in globalThis);
    await tell('open');
  });

  it('is fetched when an archive is first asked for, once, and not before', async () => {
    await page.waitForLoadState('networkidle');
    await pause(idle);
    assert.ok(fetched.includes('engine.wasm'), 'the engine was loaded, and seen');
    assert.deepEqual(
      fetchedOf((name) => name.startsWith('archive')),
      [],
    );
    await tell('save');
    assert.deepEqual(
      fetchedOf((name) => parts.includes(name)),
      parts,
    );
  });

  it('makes the same key from a passphrase with WebCrypto and without it', async () => {
    for (const isThere of [true, false]) {
      await tell('setPlatform', isThere);
      const { key, salt, byModule } = await tell('save', spelt);
      assert.equal(byModule, !isThere);
      const right = [...pbkdf2Sync(words.normalize('NFKC'), Buffer.from(salt), 600_000, 32, 'sha256')];
      assert.deepEqual(key, right, isThere ? 'by the platform' : 'by the module');
      for (const opensWith of [isThere, !isThere]) {
        await tell('setPlatform', opensWith);
        const restored = { title: 'Grüße 🚀', keys: [right], byModule: !opensWith };
        assert.deepEqual(await tell('restore', words), restored);
      }
    }
  });
});
