// Measures the engine against IndexedDB by hand and Dexie in headless Chromium, and says which targets are met.
//
// TOPIC: only these topics (comma separated); RECORDS: only these sizes; SECONDS: per topic and size (default 9).
// BEFORE: the directory of an older package, measured beside the present one. A narrowed run does not replace
// what is in results/. The topics `server` and `archives` have sizes of their own (server/examples/load/main.rs; LARGE_ROWS, SMALL_ROWS).
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { measureArchives, watchWorker } from './archives.mjs';
import { printed } from './report/table.mjs';
import { judged, topics } from './report/topics.mjs';
import { writeResults } from './report/write.mjs';
import { measureServer } from './server.mjs';

const listed = (name, all) => (process.env[name] ? process.env[name].split(',') : all);
const wanted = topics.filter(({ id }) => listed('TOPIC', [id]).includes(id));
const isWanted = (size) => listed('RECORDS', [String(size)]).includes(String(size));
const budget = Number(process.env.SECONDS || 9) * 1000;
const engines = process.env.BEFORE ? ['before', 'engine'] : ['engine'];
const wantsServer = listed('TOPIC', ['server']).includes('server');
const wantsArchives = listed('TOPIC', ['archives']).includes('archives');
if (wanted.length === 0 && !wantsServer && !wantsArchives) {
  throw new Error(`TOPIC is one of ${[...topics.map(({ id }) => id), 'archives', 'server'].join(', ')}`);
}

if (wanted.length > 0 || wantsArchives) await measurePackage();
if (wantsServer) console.log(await measureServer());

/** The package beside IndexedDB by hand and Dexie. */
async function measurePackage() {
  const site = await mkdtemp(join(tmpdir(), 'mana-bench-'));
  let server;
  let browser;
  try {
    await layOut(site);
    server = await serve(site);
    browser = await startBrowser();
    const results = [];
    for (const topic of wanted) {
      for (const size of topic.sizes.filter(isWanted)) {
        const result = judged(topic, size, await samplesOf(browser, server.url, topic.id, size));
        console.log(printed(result));
        results.push(result);
      }
    }
    if (wantsArchives) {
      await watchWorker(site);
      console.log(await measureArchives(browser, server.url));
    }
    if (results.length === 0) return;
    const about = { browser: browser.version(), cores: cpus().length, date: new Date().toISOString().slice(0, 10) };
    const whole = !process.env.TOPIC && !process.env.RECORDS && !process.env.BEFORE;
    console.log(
      await writeResults(whole ? join(root, 'tests/bench/results') : join(root, 'target/bench'), about, results),
    );
  } finally {
    await browser?.close();
    await server?.close();
    await rm(site, { recursive: true, force: true });
  }
}

/** The pages beside the packages they load. */
async function layOut(directory) {
  await cp(join(root, 'tests/bench/page'), directory, { recursive: true });
  await cp(join(root, 'node_modules/dexie/dist/modern/dexie.min.mjs'), join(directory, 'dexie.js'));
  await cp(join(root, 'node_modules/fflate/esm/browser.js'), join(directory, 'fflate.js'));
  // What tests/bench/build-ciphers made; only the topics of ciphers load it.
  await cp(join(root, 'target/bench-ciphers'), join(directory, 'ciphers'), { recursive: true });
  await mkdir(join(directory, 'engines'));
  await cp(packageDirectory, join(directory, 'engines/engine'), { recursive: true });
  if (process.env.BEFORE) await cp(process.env.BEFORE, join(directory, 'engines/before'), { recursive: true });
}

/** The samples of every contender, in a fresh context. */
async function samplesOf(browser, address, topic, size) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const query = new URLSearchParams({ topic, records: size, budget, engines });
    await page.goto(`${address}?${query}`, { timeout: 30_000 });
    const said = () => document.querySelector('output').textContent;
    const text = await page.waitForFunction(said, undefined, { timeout: 300_000 });
    const { samples, error } = JSON.parse(await text.jsonValue());
    if (error) throw new Error(`${topic} at ${size} records: ${error}`);
    return samples;
  } finally {
    await context.close();
  }
}
