// The package's files as they are, in a page without a bundler: a WebAssembly function is called in Chromium.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { outcomeOf } from './outcome.mjs';

const report = "document.querySelector('output').textContent = JSON.stringify";
const pages = {
  'instances.js': `
    import { createInstance, loadModule } from './pkg/load.js';
    const modules = [await loadModule(), await loadModule(), await loadModule('/pkg/engine.wasm')];
    const instances = [createInstance(modules[0]), createInstance(modules[0])];
    ${report}({
      versions: instances.map((glue) => glue.version()),
      oneModule: modules.every((module) => module === modules[0]),
      separate: instances[0] !== instances[1],
    });`,
  'retry.js': `
    import { loadModule } from './pkg/load.js';
    const first = await loadModule().then(() => 'loaded', (error) => error);
    const second = await loadModule();
    ${report}({ code: first.code, retryable: first.retryable, second: second instanceof WebAssembly.Module });`,
};
const page = (script) =>
  `<!doctype html><link rel="icon" href="data:,"><output></output><script type="module" src="/${script}"></script>`;

describe('the package in a page without a bundler', { timeout: 120_000 }, () => {
  let browser;
  let directory;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-page-'));
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    for (const [name, script] of Object.entries(pages)) {
      await writeFile(join(directory, name), script);
      await writeFile(join(directory, name.replace('.js', '.html')), page(name));
    }
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('calls a WebAssembly function, from one module in instances of their own', async () => {
    const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8'));
    assert.deepEqual(await open('instances.html'), {
      versions: [version, version],
      oneModule: true,
      separate: true,
      complaints: [],
    });
  });

  it('loads the module on a second try when the first one failed', async () => {
    let failures = 1;
    const hide = (path) => path.endsWith('.wasm') && failures-- > 0;
    const { complaints, ...outcome } = await open('retry.html', { hide });
    assert.deepEqual(outcome, { code: 'engine_load_failed', retryable: false, second: true });
    assert.equal(complaints.length, 1, 'the browser reports the one failed request');
  });

  async function open(path, options) {
    const server = await serve(directory, options);
    try {
      return await outcomeOf(browser, server.url + path);
    } finally {
      await server.close();
    }
  }
});
