// The engine against Dexie: random schemas, rows and chains that read, the same results in the same order; and random writes,
// the same answers and the same rows afterwards; and random queries of several places, with an order and without.
//
// CHAINS: how many of each (300); SEED: where they begin (1). The same ones by default: other ones may find something that Dexie
// does otherwise and nobody knew. A difference is printed with the seed and what is left of it after
// rows and calls were taken away.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';

const chains = Number(process.env.CHAINS ?? 300);
const seed = Number(process.env.SEED ?? 1);
/** So many in one page: a page that is closed takes its databases with it. */
const perPage = 500;
/** After so many differences a run gives up. */
const enough = 20;
const page =
  '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/compare.js"></script><script type="module" src="/compare-writes.js"></script><script type="module" src="/compare-order.js"></script>';

describe('as in Dexie', { timeout: 60_000 + chains * 400 }, () => {
  let browser;
  let directory;
  let server;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-dexie-'));
    const dexie = dirname(createRequire(import.meta.url).resolve('dexie/package.json'));
    await cp(join(root, 'tests/dexie/page'), directory, { recursive: true });
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    await cp(join(dexie, 'dist/modern/dexie.mjs'), join(directory, 'dexie.mjs'));
    await writeFile(join(directory, 'index.html'), page);
    server = await serve(directory, { typeOf: { '.mjs': 'text/javascript' } });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it(`${chains} random chains from seed ${seed} on give the same results`, () => compared('compare'));

  it(`${chains} random writes from seed ${seed} on are answered alike and leave the same rows`, () =>
    compared('compareWrites'));

  it(`${chains} random queries with or from seed ${seed} on give the same rows in the order that is asked for`, () =>
    compared('compareOrder'));

  async function compared(which) {
    const differences = [];
    for (let done = 0; done < chains && differences.length < enough; done += perPage) {
      differences.push(...(await found(which, seed + done, Math.min(perPage, chains - done))));
    }
    for (const difference of differences) console.log(JSON.stringify(difference));
    assert.equal(differences.length, 0, `repeat with SEED=${differences[0]?.seed} CHAINS=25`);
  }

  async function found(which, from, count) {
    const context = await browser.newContext();
    try {
      const tab = await context.newPage();
      const complaints = [];
      tab.on('pageerror', (error) => complaints.push(String(error)));
      await tab.goto(server.url, { timeout: 30_000 });
      await tab.waitForFunction((name) => globalThis[name], which, { timeout: 30_000 });
      const differences = await tab.evaluate(
        ([name, first, many]) => globalThis[name](first, many),
        [which, from, count],
      );
      assert.deepEqual(complaints, []);
      return differences;
    } finally {
      await context.close();
    }
  }
});
