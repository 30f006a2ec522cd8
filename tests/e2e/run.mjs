// Runs the end-to-end tests, two files at a time, all of them with one built demo. With arguments: these files.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDemo } from './support/demo.mjs';

const directory = await mkdtemp(join(tmpdir(), 'mana-e2e-demo-'));
try {
  await buildDemo(directory);
  const named = process.argv.slice(2);
  const files = named.length > 0 ? named : (await readdir('test')).map((name) => join('test', name));
  const options = ['--test', '--test-reporter=spec', '--test-concurrency=2'];
  const { status } = spawnSync(process.execPath, [...options, ...files], {
    env: { ...process.env, BUILT_DEMO: directory },
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
