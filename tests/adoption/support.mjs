// What the tests of adoption share: pages with the older app and the engine, a real server, and another device's requests.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBrowser } from '../support/chromium.mjs';
import { root } from '../support/places.mjs';
import { Site, started } from '../support/site.mjs';
import { synced } from './page/schema.js';

const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

/** A browser profile, the pages it opens, and a server that has seen nothing yet. */
export class World {
  #browser;
  #context;
  #site;

  static start() {
    return started(new World());
  }

  async start() {
    this.#site = await Site.start('tests/adoption/page', async (directory) => {
      await cp(join(root, 'node_modules/dexie/dist/dexie.mjs'), join(directory, 'dexie.js'));
      await writeFile(join(directory, 'index.html'), html);
    });
    this.#browser = await startBrowser();
    this.#context = await this.#browser.newContext();
  }

  get server() {
    return this.#site.server;
  }

  async stop() {
    await this.#browser?.close();
    await this.#site?.stop();
  }

  /** A tab of the profile. */
  async tab() {
    const page = await this.#context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => console.error(error));
    await page.goto(this.#site.url);
    await page.waitForFunction(() => 'page' in globalThis);
    return page;
  }

  /** Sends changes as another device does. */
  async push(changes) {
    const { rejected } = await this.#ask('/v2/push', { schemaVersion: 1, changes });
    assert.deepEqual(rejected, []);
  }

  /** Everything the server has. */
  async pulled() {
    const changes = [];
    for (let cursor, more = true; more; ) {
      const page = await this.#ask('/v2/pull', { cursor, apps: { todo: synced }, limit: 1000 });
      changes.push(...page.changes);
      cursor = page.cursor;
      more = page.hasMore;
    }
    return changes;
  }

  async #ask(path, body) {
    const { token } = await this.#post('/dev/login', { user: 'ada' });
    return this.#post(path, { protocol: 2, clientId: 'another.1', ...body }, token);
  }

  async #post(path, body, token) {
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(this.server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    const json = await answer.json();
    assert.ok(answer.ok, `${path} answered ${answer.status}: ${JSON.stringify(json)}`);
    return json;
  }
}

/** A record that another device made. */
export function inserted(table, id, values) {
  const data = { ...values, authorId: 'ada', visibility: 'space', deletedAt: null };
  const frame = {
    eventId: randomUUID(),
    app: 'todo',
    schemaVersion: 1,
    table,
    id,
    op: 'insert',
    at: '2025-06-01T10:00:00.000Z',
  };
  return { ...frame, data, spaceId: '_personal:ada', visibility: 'space', origin: 'user' };
}

/** No edit of a field is among these changes under two ids. */
export function assertSentOnce(changes) {
  const edits = changes.flatMap((change) =>
    Object.keys({ ...change.data, ...change.fields }).map((field) => {
      const at = change.fields && field in change.fields ? change.fields[field].at : change.at;
      return `${change.table}/${change.id}.${field} at ${at}`;
    }),
  );
  assert.equal(new Set(edits).size, edits.length);
}
