// The real server, on a database file of its own and a free port; it can be stopped, killed and started again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Milliseconds a start or an orderly end may take. */
const patience = 60_000;

export class SyncServer {
  /** Its address, the same after every start. */
  url = '';
  #directory;
  #origin;
  #port = 0;
  #process;
  #output = '';

  constructor(directory, origin) {
    this.#directory = directory;
    this.#origin = origin;
  }

  /** @param {string} origin the address of the page that talks to it */
  static async start(origin) {
    const server = new SyncServer(await mkdtemp(join(tmpdir(), 'mana-server-')), origin);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.remove();
      throw error;
    }
  }

  /**
   * Starts it, unless it runs.
   *
   * @param {Record<string, string>} [settings] more of its environment, such as `MAX_SCHEMA`
   */
  async start(settings = {}) {
    if (this.#runs) return;
    this.#output = '';
    this.#process = spawn(binary(), ['--dev'], {
      env: {
        ...process.env,
        PORT: String(this.#port),
        DATABASE_URL: `sqlite://${join(this.#directory, 'mana-sync.db')}`,
        CORS_ORIGINS: this.#origin,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.url = await this.#address();
    this.#port = Number(new URL(this.url).port);
  }

  /** Ends it as an operator would, or at once when it does not listen. */
  async stop(signal = 'SIGTERM') {
    const child = this.#process;
    if (!this.#runs) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    child.kill(signal);
    await once(child, 'exit');
    clearTimeout(timer);
  }

  /** The bytes of its database as they are on disk, with those of the files beside it. */
  async databaseFiles() {
    const names = await readdir(this.#directory);
    return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(this.#directory, name)) })));
  }

  async remove() {
    await this.stop('SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #runs() {
    return Boolean(this.#process) && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Waits for the line that names the address. */
  #address() {
    return new Promise((resolve, reject) => {
      const fail = (reason) => reject(new Error(`mana-sync ${reason}:\n${this.#output}`));
      const timer = setTimeout(() => fail(`named no address within ${patience} ms`), patience);
      const listen = (chunk) => {
        this.#output += chunk;
        const found = this.#output.match(/http:\/\/[\w.-]+:\d+/);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      for (const stream of [this.#process.stdout, this.#process.stderr]) stream.on('data', listen);
      this.#process.once('error', (error) => fail(error.message));
      this.#process.once('exit', (code) => fail(`ended with ${code}`));
    });
  }
}

/** The binary that `MANA_SYNC` names, else the one built last. */
function binary() {
  if (process.env.MANA_SYNC) return process.env.MANA_SYNC;
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url));
  const built = ['release', 'debug'].map((profile) => join(target, profile, 'mana-sync')).filter(existsSync);
  const [newest] = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (!newest) throw new Error('mana-sync is not built. Run: cargo build --package mana-sync');
  return newest;
}
