// The demo as users get it: built, and served with its Content-Security-Policy as a header.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { listen, unlisten } from '../../support/ports.mjs';

const app = fileURLToPath(new URL('../../../examples/svelte-demo', import.meta.url));
const types = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * Serves the demo that lies in `BUILT_DEMO`, or one of its own, built into a temporary directory. `stop` ends the server and
 * removes that directory.
 */
export async function startDemo() {
  const built = process.env.BUILT_DEMO;
  const directory = built ?? (await mkdtemp(join(tmpdir(), 'mana-e2e-demo-')));
  if (!built) await buildDemo(directory);
  const policy = await pagePolicy(directory);
  const server = createServer((request, response) => void answer(directory, policy, request, response));
  const url = await listen(server);
  return {
    url,
    async stop() {
      await unlisten(server);
      if (!built) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Builds the demo into a directory. */
export async function buildDemo(directory) {
  const vite = join(dirname(createRequire(join(app, 'x')).resolve('vite/package.json')), 'bin/vite.js');
  const options = ['build', '--logLevel', 'warn', '--outDir', directory, '--emptyOutDir'];
  await promisify(execFile)(process.execPath, [vite, ...options], { cwd: app, timeout: 120_000 });
}

/** The policy that the page itself names, plus what only a header can say. */
async function pagePolicy(directory) {
  const page = await readFile(join(directory, 'index.html'), 'utf8');
  const policy = page.match(/http-equiv="Content-Security-Policy" content="([^"]+)"/)?.[1];
  if (!policy) throw new Error('the built page has no Content-Security-Policy');
  return `${policy.replaceAll('&#39;', "'")}; frame-ancestors 'none'`;
}

async function answer(directory, policy, request, response) {
  const path = normalize(new URL(request.url, 'http://localhost').pathname);
  const file = join(directory, path.endsWith('/') ? `${path}index.html` : path);
  try {
    const body = await readFile(file);
    const type = types[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
