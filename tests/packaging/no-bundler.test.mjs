// The package's files as they are, in a page without a bundler: a WebAssembly function is called in Chromium.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { outcomeOf, startBrowser } from './browser.mjs';
import { packageDirectory } from './fresh-app.mjs';
import { serve } from './serve.mjs';

const page =
  '<!doctype html><link rel="icon" href="data:,"><output></output><script type="module" src="/page.js"></script>';
const script = `
import { createInstance, loadModule } from './pkg/load.js';
const modules = [await loadModule(), await loadModule(), await loadModule('/pkg/engine.wasm')];
const instances = [createInstance(modules[0]), createInstance(modules[0])];
document.querySelector('output').textContent = JSON.stringify({
  versions: instances.map((glue) => glue.version()),
  oneModule: modules.every((module) => module === modules[0]),
  separate: instances[0] !== instances[1],
});`;

describe('the package in a page without a bundler', { timeout: 120_000 }, () => {
  let browser;
  let directory;
  let server;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mana-page-'));
    await cp(packageDirectory, join(directory, 'pkg'), { recursive: true });
    await writeFile(join(directory, 'index.html'), page);
    await writeFile(join(directory, 'page.js'), script);
    [server, browser] = await Promise.all([serve(directory), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('calls a WebAssembly function, from one module in instances of their own', async () => {
    const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8'));
    assert.deepEqual(await outcomeOf(browser, server.url), {
      versions: [version, version],
      oneModule: true,
      separate: true,
      complaints: [],
    });
  });
});
