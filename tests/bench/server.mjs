// Measures a server under load (server/examples/load), which no browser takes part in.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/places.mjs';

/** What narrows a run; such a run does not replace what is in results/. */
const sizes = ['USERS', 'CONNECTIONS', 'SECONDS', 'ROUNDS', 'SOCKETS', 'STREAMS', 'FIRST_SYNC', 'STORE'];

/** Shows the tables, and writes them to a file whose path it gives. */
export async function measureServer() {
  const load = spawn(
    'cargo',
    ['run', '--quiet', '--release', '--package', 'mana-sync', '--features', 'load', '--example', 'load'],
    {
      cwd: root,
      env: { ...process.env, DURABLE_POSTGRES: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const said = [];
  load.stdout.on('data', (bytes) => {
    said.push(bytes);
    process.stdout.write(bytes);
  });
  const [code] = await once(load, 'close');
  if (code !== 0) throw new Error(`the measurement ended with ${code}`);
  const isWhole = !sizes.some((name) => process.env[name]);
  const directory = join(root, isWhole ? 'tests/bench/results' : 'target/bench');
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'server.md');
  const about = `${cpus().length} cores, shared by the server, its clients and its database; ${new Date().toISOString().slice(0, 10)}`;
  await writeFile(file, `# The server under load\n\n${about}. Medians of the rounds.\n\n${Buffer.concat(said)}`);
  return file;
}
