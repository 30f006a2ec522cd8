// The packed package in a new Vite app: built, in development, in a worker, on a server.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/chromium.mjs';
import { serve } from '../support/serve.mjs';
import { makeApp, run, shippedSize, typeCheck, vite, works } from './fresh-app.mjs';
import { outcomeOf } from './outcome.mjs';

describe('the packed package in a fresh Vite app', { timeout: 300_000 }, () => {
  let app;
  let browser;

  before(async () => {
    [app, browser] = await Promise.all([makeApp(), startBrowser()]);
    await vite(app.directory, 'build', '--logLevel', 'warn');
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  it('holds the module, the licences and nothing from the sources', () => {
    for (const path of [
      'engine.wasm',
      'archive.wasm',
      'archive-worker.js',
      'glue.js',
      'index.js',
      'index.d.ts',
      'README.md',
      'LICENSE-MIT',
      'LICENSE-APACHE',
    ]) {
      assert.ok(app.paths.includes(path), `${path} is missing`);
    }
    assert.deepEqual(
      app.paths.filter((path) => /\.rs$|(?<!\.d)\.ts$|test|node_modules/.test(path)),
      [],
    );
  });

  it('works built, under a strict content security policy', async () => {
    await onServer({}, async (url) => assert.deepEqual(await outcomeOf(browser, url), works));
  });

  it('works in a worker, built, under a strict content security policy', async () => {
    await onServer({}, async (url) => assert.deepEqual(await outcomeOf(browser, `${url}?worker`), works));
  });

  it('works when the web server does not know the type of WebAssembly', async () => {
    await onServer({ typeOf: { '.wasm': 'application/octet-stream' } }, async (url) => {
      assert.deepEqual(await outcomeOf(browser, url), works);
    });
  });

  it('says so when the module is missing and the server answers its page instead', async () => {
    await onServer({ hide: (path) => path.endsWith('.wasm'), fallback: true }, async (url) => {
      const { code, message } = await outcomeOf(browser, url);
      assert.equal(code, 'engine_load_failed');
      assert.match(message, /not WebAssembly/);
    });
  });

  it('works with the development server, without any configuration', async () => {
    await inDevelopment(app.directory, async (url) => {
      assert.deepEqual(await outcomeOf(browser, url), works);
      assert.deepEqual(await outcomeOf(browser, `${url}?worker`), works);
    });
  });

  it('opens nothing when a server imports it, and says why it cannot run there', async () => {
    const said = await run(process.execPath, ['server.js'], { cwd: app.directory, timeout: 20_000 });
    assert.deepEqual(JSON.parse(said), { touched: [], code: 'unsupported_environment', name: 'ManaError' });
  });

  for (const typescript of ['@typescript/native', 'typescript']) {
    it(`gives its types to ${typescript}, for bundlers and for Node's module resolution`, async () => {
      await typeCheck(app.directory, typescript, '--module', 'esnext', '--moduleResolution', 'bundler');
      await typeCheck(app.directory, typescript, '--module', 'nodenext', '--moduleResolution', 'nodenext');
    });
  }

  it('stays within its size limits', async (context) => {
    const limits = [
      // The aim is 160,000. The limit was 335,000 before queries were planned, databases taken over, rows written in bulk, live queries
      // kept up to date and fields sealed, 466,000 before records moved between spaces and spaces were left, 545,000 before what comes
      // for sealed fields was looked at and guests' records were taken into accounts, and 582,000 before keys were wrapped with
      // passphrases, the own space got its name, and the keyring was read where a wrong clock needs it, and 588,000 before codes and
      // passphrases were overwritten and old tabs made way, and 590,000 before upgrades reached every row and united rows were
      // ordered, and 599,000 before news came by stream, one tab led whatever happens, and a change that the server fails at
      // was stepped over, and 618,500 before what was refused could be sent again or discarded, and 664,000 before apps were pulled
      // only once they are asked for, and 690,000 before a server of protocol 1 was spoken to and data were brought to later versions, and 742,000
      // before there were archives, and 764,000 before what waits in quarantine was counted, and 765,000
      // before every wait that a server asks for was kept and pages in a circle were found, and 770,000 before what made room during a
      // full pull was read again and a silent database was told of, and imported records named each other anew: it has to go down again.
      { limit: 774_000, parts: ['engine.wasm'] },
      { limit: 170_000, parts: ['archive.wasm'] },
      // The aim is 14,000. The limit was 15,000 before whatever an app passes was read with care, and the refused rows of a query
      // were named by their places, 15,500 before united rows were ordered after functions, and 15,600 before calls that find their
      // transaction ended were named as the app made them, and 15,800 before there were dead letters and a pull of everything,
      // and 16,300 before what is shown was dropped with the session and a start ended what only a person ends.
      { limit: 16_500, parts: ['index.js', './glue.js', './archive.js'] },
      // Loaded with the first use of archives.
      { limit: 6_000, parts: ['archive.js', './archive-job.js'] },
      // The limit was 2,000 before no record was shown in place of another one.
      { limit: 2_100, parts: ['svelte.svelte.js', 'svelte', 'svelte/reactivity', 'svelte/store'] },
    ];
    for (const { limit, parts } of limits) {
      const size = await shippedSize(app.directory, ...parts);
      context.diagnostic(`${parts[0]}: ${size} bytes gzipped of ${limit}`);
      assert.ok(size <= limit, `${parts[0]} is ${size} bytes gzipped; its limit is ${limit}`);
    }
  });

  it('puts each module beside the app once', async () => {
    const assets = await readdir(join(app.directory, 'dist/assets'));
    const modules = assets.filter((name) => name.endsWith('.wasm')).map((name) => name.split('-')[0]);
    assert.deepEqual(modules.sort(), ['archive', 'engine'], assets.join(' '));
  });

  async function onServer(options, check) {
    const server = await serve(join(app.directory, 'dist'), options);
    try {
      await check(server.url);
    } finally {
      await server.close();
    }
  }
});

/** Runs Vite's development server on a free port for as long as `check` takes. */
async function inDevelopment(directory, check) {
  const args = ['node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', '0', '--logLevel', 'info'];
  const server = spawn(process.execPath, args, { cwd: directory, env: { ...process.env, NO_COLOR: '1' } });
  const ended = once(server, 'exit');
  try {
    await check(await addressOf(server));
  } finally {
    server.kill();
    await ended;
  }
}

/** The first address the process prints. */
async function addressOf(server) {
  let said = '';
  for await (const chunk of server.stdout) {
    said += chunk;
    const address = /https?:\/\/[\d.]+:\d+\//.exec(said);
    if (address) return address[0];
  }
  throw new Error(`the development server ended without an address:\n${said}`);
}
