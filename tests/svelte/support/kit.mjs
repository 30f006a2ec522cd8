// A SvelteKit app whose page is the example of docs/svelte.md, built with the adapter for Node in a directory of its own, and its server in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../support/places.mjs';
import { started } from '../../support/site.mjs';
import { snippets } from './snippets.mjs';
import { vite } from './vite.mjs';

export class KitApp {
  url = '';
  #directory;
  #server;

  static start() {
    return started(new KitApp());
  }

  async start() {
    this.#directory = await mkdtemp(join(tmpdir(), 'mana-kit-'));
    await cp(fileURLToPath(new URL('../kit', import.meta.url)), this.#directory, { recursive: true });
    await symlink(join(root, 'node_modules'), join(this.#directory, 'node_modules'));
    const files = await snippets();
    await writeFile(join(this.#directory, 'src/routes/+page.svelte'), files.get('+page.svelte'));
    await writeFile(join(this.#directory, 'src/lib/db.ts'), files.get('src/lib/db.ts'));
    await vite(this.#directory);
    const built = join(this.#directory, 'build/handler.js');
    this.#server = spawn(process.execPath, ['serve.mjs', built], {
      cwd: this.#directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [address] = await Promise.race([once(this.#server.stdout, 'data'), once(this.#server, 'exit')]);
    this.url = String(address).trim();
    if (!this.url.startsWith('http')) throw new Error(`the server ended with ${address}`);
  }

  async stop() {
    if (this.#server && this.#server.exitCode === null) {
      this.#server.kill('SIGKILL');
      await once(this.#server, 'exit');
    }
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }
}
