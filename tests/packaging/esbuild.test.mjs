// The packed package in a new app that esbuild builds, with the command that the package's README gives.
import assert from 'node:assert/strict';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { startBrowser } from '../support/chromium.mjs';
import { packageDirectory, root } from '../support/places.mjs';
import { assertWorks, makeBareApp, run } from './fresh-app.mjs';

describe('the packed package in an app built by esbuild', { timeout: 120_000 }, () => {
  let app;
  let browser;
  let built;

  before(async () => {
    [app, browser] = await Promise.all([makeBareApp(), startBrowser()]);
    built = join(app.directory, 'dist');
    await run('sh', ['-c', await recipe('main.js worker.js')], {
      cwd: app.directory,
      env: { PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
    });
    await cp(join(app.directory, 'index.html'), join(built, 'index.html'));
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  it('works in a page and in a worker, under a strict content security policy', () => assertWorks(browser, built));

  it('puts each module beside the app once', async () => {
    const names = (await readdir(built)).filter((name) => name.endsWith('.wasm'));
    assert.deepEqual(names.sort(), ['archive.wasm', 'engine.wasm']);
  });

  it('puts what was named under its own name, the rest under names with a hash, as the README says', async () => {
    const scripts = (await readdir(built)).filter((name) => name.endsWith('.js'));
    const others = scripts.filter((name) => !/-[0-9A-Z]{8}\.js$/.test(name));
    assert.deepEqual(others.sort(), ['archive-worker.js', 'main.js', 'worker.js']);
    assert.ok(scripts.length > others.length, scripts.join(' '));
  });

  it('loads with the engine neither archives nor Svelte, and with its Svelte part not the engine', async () => {
    const engine = await loadedAtFirst('index.js');
    assert.ok(engine.inputs.includes('engine.js'), engine.inputs.join(' '));
    assert.deepEqual(
      engine.inputs.filter((name) => /archive|svelte/.test(name)),
      [],
    );
    assert.deepEqual(engine.others, []);
    const svelte = await loadedAtFirst('svelte.svelte.js');
    assert.deepEqual(svelte.inputs, ['arguments.js', 'equality.js', 'errors.js', 'svelte.svelte.js']);
    assert.deepEqual(svelte.others, ['svelte', 'svelte/reactivity', 'svelte/store']);
  });
});

/** The command in the package's README, whose app is `main.js`, for an app of these files. */
async function recipe(entries) {
  const readme = await readFile(join(packageDirectory, 'README.md'), 'utf8');
  const command = /```sh\n(esbuild [^`]+)```/.exec(readme)?.[1];
  assert.match(command ?? '', / main\.js /, 'the README gives the command');
  return command.replace(' main.js ', ` ${entries} `);
}

/** What of the package comes with a file before anything is called, and what it takes from other packages. */
async function loadedAtFirst(file) {
  const { metafile } = await build({
    absWorkingDir: packageDirectory,
    entryPoints: [file],
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: 'unwritten',
    external: ['svelte', 'svelte/*'],
    metafile: true,
    write: false,
    logLevel: 'error',
  });
  const found = new Set([Object.keys(metafile.outputs).find((name) => metafile.outputs[name].entryPoint === file)]);
  const others = new Set();
  for (const name of found) {
    for (const { path, kind, external } of metafile.outputs[name].imports) {
      if (kind !== 'dynamic-import') (external ? others : found).add(path);
    }
  }
  const inputs = [...found].flatMap((name) => Object.keys(metafile.outputs[name].inputs));
  return { inputs: inputs.sort(), others: [...others].sort() };
}
