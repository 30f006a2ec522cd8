// A new app in a temporary directory, with the packed package installed the way a user installs it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { gzipSync } from 'node:zlib';
import { packageDirectory, root } from '../support/places.mjs';
import { serve } from '../support/serve.mjs';
import { outcomeOf } from './outcome.mjs';

const here = dirname(fileURLToPath(import.meta.url));

const execute = promisify(execFile);

/** Runs a command without a shell; on failure the error holds everything it printed. */
export async function run(command, args, { cwd, timeout = 180_000, env = {} }) {
  try {
    return (
      await execute(command, args, {
        cwd,
        timeout,
        maxBuffer: 1 << 26,
        env: { ...process.env, NO_COLOR: '1', ...env },
      })
    ).stdout;
  } catch (error) {
    const printed = stripVTControlCharacters(`${error.stdout}\n${error.stderr}`);
    throw new Error(`${command} ${args.join(' ')} failed (${error.signal ?? error.code}):\n${printed}`);
  }
}

/** The packed file's name and the paths inside it. */
export async function pack(destination) {
  const [{ filename, files }] = JSON.parse(
    await run('npm', ['pack', '--json', '--pack-destination', destination, packageDirectory], { cwd: root }),
  );
  return { tarball: join(destination, filename), paths: files.map((file) => file.path) };
}

/** Makes the app; `remove` deletes it. */
export async function makeApp() {
  const app = await startApp({
    dependencies: { svelte: await lockedVersion('svelte') },
    devDependencies: { vite: await lockedVersion('vite') },
  });
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', app.tarball], { cwd: app.directory });
  return app;
}

/** The same app with nothing installed but what the packed file holds: no Svelte, and no bundler of its own. */
export async function makeBareApp() {
  const app = await startApp();
  const installed = join(app.directory, 'node_modules/@mana/sync-engine');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', app.tarball, '-C', installed, '--strip-components=1'], { cwd: app.directory });
  return app;
}

async function startApp(dependencies = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'mana-packaging-'));
  const packed = await pack(directory);
  await cp(join(here, 'app'), directory, { recursive: true });
  const manifest = { name: 'app', private: true, type: 'module', ...dependencies };
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest));
  return { directory, ...packed, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** What the app says where all is well, in a page and in a worker. */
export const works = { titles: ['Packed'], restored: ['Packed'], modules: 1, complaints: [] };

/** The built app in `directory`, under a strict content security policy: in a page, then in a worker. */
export async function assertWorks(browser, directory) {
  const server = await serve(directory);
  try {
    assert.deepEqual(await outcomeOf(browser, server.url), works);
    assert.deepEqual(await outcomeOf(browser, `${server.url}?worker`), works, 'in a worker');
  } finally {
    await server.close();
  }
}

/** Runs Vite's command line inside the app. */
export function vite(directory, ...args) {
  return run(process.execPath, [join(directory, 'node_modules/vite/bin/vite.js'), ...args], {
    cwd: directory,
  });
}

/** Type-checks the app's sources with one of this project's TypeScripts, but not what that brings along; rejects with what it prints. */
export function typeCheck(directory, typescript, ...options) {
  const compiler = join(root, 'node_modules', typescript, 'bin/tsc');
  const strict = ['--strict', '--noEmit', '--skipDefaultLibCheck', '--target', 'es2022', '--lib', 'es2022,dom'];
  return run(process.execPath, [compiler, ...strict, ...options, 'types.ts', 'types-wrong.ts'], { cwd: directory });
}

/** The gzipped size in bytes of a file of the installed package, bundled and minified with all it imports but `external`. */
export async function shippedSize(directory, file, ...external) {
  const source = join('node_modules/@mana/sync-engine', file);
  if (!file.endsWith('.js')) return gzipSync(await readFile(join(directory, source)), { level: 9 }).length;
  const options = [
    '--minify',
    '--format',
    'es',
    '--file',
    'sized.js',
    ...external.flatMap((name) => ['--external', name]),
  ];
  await run(process.execPath, ['node_modules/rolldown/bin/cli.mjs', source, ...options], { cwd: directory });
  return gzipSync(await readFile(join(directory, 'sized.js')), { level: 9 }).length;
}

/** The version this project's lock file names: the registry then answers from npm's cache. */
async function lockedVersion(name) {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  return lock.packages[`node_modules/${name}`].version;
}
