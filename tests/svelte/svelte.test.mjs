// The Svelte binding in real components: the package as it is built, a Vite app under a strict Content-Security-Policy, Chromium.
import { after, before, describe } from 'node:test';
import docs from './sentences/docs.mjs';
import legacy from './sentences/legacy.mjs';
import mounts from './sentences/mounts.mjs';
import parity from './sentences/parity.mjs';
import rows from './sentences/rows.mjs';
import stale from './sentences/stale.mjs';
import writes from './sentences/writes.mjs';
import { World } from './support/world.mjs';

describe('in components', { timeout: 380_000, concurrency: 2 }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  /** Opens a page for as long as `work` takes. */
  const on = (name, work) => world.with(name, work);
  for (const sentences of [mounts, parity, rows, stale, legacy, writes, docs]) sentences(on, () => world.server.url);
});
