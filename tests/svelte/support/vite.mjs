// Vite's command line, as a developer uses it.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Builds what is in the directory. */
export async function vite(directory, ...options) {
  const command = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js');
  await promisify(execFile)(process.execPath, [command, 'build', '--logLevel', 'warn', ...options], {
    cwd: directory,
    timeout: 300_000,
  });
}
