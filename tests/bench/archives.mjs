// Measures what exports cost the page that asks for them: the longest turn of its thread, and the memory of WebAssembly.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../support/places.mjs';

/** Rows of 4 KB that come to 100 MB, and small ones. */
const largeRows = Number(process.env.LARGE_ROWS || 25_000);
const smallRows = Number(process.env.SMALL_ROWS || 1_000_000);
const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const most = 64 * 1024 * 1024;

/** Has the worker of archives tell of its memory. */
export async function watchWorker(directory) {
  const file = join(directory, 'engines/engine/archive-worker.js');
  await writeFile(file, `import '/watch-memory.js';\n${await readFile(file, 'utf8')}`);
}

/** Shows what came of it, and writes it to a file whose path it gives. */
export async function measureArchives(browser, address) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`${address}archives.html`);
    await page.waitForFunction(() => 'archives' in globalThis);
    const tell = (name, ...given) =>
      page.evaluate(([name, given]) => globalThis.archives[name](...given), [name, given]);
    await tell('open');
    await fill(tell, 'large', largeRows, 500);
    const said = [sealed(await tell('seal'))];
    const begun = performance.now();
    await fill(tell, 'small', smallRows, 10_000);
    said.push(`Adding ${smallRows.toLocaleString('en')} rows took ${seconds(performance.now() - begun)}.`);
    said.push(plain(await tell('plain')));
    return await written(said.join('\n\n'));
  } finally {
    await context.close();
  }
}

async function fill(tell, table, rows, atOnce) {
  for (let from = 0; from < rows; from += atOnce) await tell('fill', table, from, Math.min(rows, from + atOnce));
}

function sealed({ bytes, took, longest, idle }) {
  const much = `${(largeRows / 250).toFixed(0)} MB of rows sealed into ${mib(bytes)} in ${seconds(took)}`;
  const ratio = (longest / idle).toFixed(1);
  return `${much}: the page's thread was held for ${longest.toFixed(1)} ms at most; idle for as long, ${idle.toFixed(1)} ms (${ratio}×).`;
}

function plain({ rows, took, bytes, before, engine, worker }) {
  const met = engine + worker <= most ? 'met' : 'MISSED';
  const memory = `${mib(engine)} of the engine's memory (${mib(before)} before) and ${mib(worker)} of the archive module's`;
  return `${rows.toLocaleString('en')} rows saved as they are, ${mib(bytes)}, in ${seconds(took)}: ${memory}; at most ${mib(most)} together: ${met}.`;
}

async function written(text) {
  console.log(`\n${text}`);
  const isWhole = !process.env.LARGE_ROWS && !process.env.SMALL_ROWS;
  const directory = join(root, isWhole ? 'tests/bench/results' : 'target/bench');
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'archives.md');
  await writeFile(file, `# Archives and the page\n\n${new Date().toISOString().slice(0, 10)}.\n\n${text}\n`);
  return file;
}
