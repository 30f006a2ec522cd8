// The device under test: a real Chromium on one profile directory, which is killed and started again.
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startOnProfile } from '../../support/chromium.mjs';
import { browserOf, kill, left } from './processes.mjs';

/** Milliseconds that one step of the page may take. */
const patience = 60_000;

export class Device {
  #temporary;
  #profile;
  #context;
  #page;
  #browser;

  /** @param {string} directory where the profile is made that stays over all kills */
  constructor(directory) {
    this.#temporary = directory;
    this.#profile = join(directory, 'profile');
  }

  /** Starts the browser and shows the page. What the page tells from then on goes to `hear`. */
  async start(address, hear) {
    this.#context = await startOnProfile(this.#profile, this.#temporary);
    this.#browser = browserOf(this.#profile);
    this.#page = this.#context.pages()[0] ?? (await this.#context.newPage());
    this.#page.setDefaultTimeout(patience);
    const session = await this.#context.newCDPSession(this.#page);
    session.on('Runtime.bindingCalled', ({ payload }) => hear(JSON.parse(payload)));
    await session.send('Runtime.enable');
    await session.send('Runtime.addBinding', { name: 'tell' });
    await this.#page.goto(address);
    await this.#page.waitForFunction(() => 'device' in globalThis);
  }

  /** Has the page do something and gives its answer. */
  told(method, ...given) {
    return this.#page.evaluate(([method, given]) => globalThis.device[method](...given), [method, given]);
  }

  /** What is stored, and the note beside it. */
  async look() {
    return JSON.parse(await this.told('look'));
  }

  open(server) {
    return this.told('open', server);
  }

  settle() {
    return this.told('settle');
  }

  work(options) {
    return this.told('work', options);
  }

  rest() {
    return this.told('rest');
  }

  /** Waits until the note beside the database has reached the disk, which takes a browser some seconds. */
  async keptNote(note) {
    const text = JSON.stringify(note);
    const directory = join(this.#profile, 'Default/Local Storage/leveldb');
    const deadline = performance.now() + patience;
    for (;;) {
      const logs = (await readdir(directory)).filter((name) => name.endsWith('.log'));
      const contents = await Promise.all(logs.map((name) => readFile(join(directory, name), 'latin1')));
      if (contents.some((content) => content.includes(text))) return;
      if (performance.now() > deadline) throw new Error(`${text} did not reach the disk within ${patience} ms`);
      await pause(100);
    }
  }

  /** Kills the browser with everything it started; resolves when all that the page told was heard. */
  async kill() {
    if (!this.#context) return;
    const closed = once(this.#context, 'close');
    kill(this.#browser, this.#profile);
    await closed;
    this.#context = undefined;
    while (left(this.#browser, this.#profile).length > 0) await pause(5);
  }

  /** What a browser does that clears or loses IndexedDB, while it is not running: everything else of the profile stays. */
  loseDatabase() {
    return rm(join(this.#profile, 'Default/IndexedDB'), { recursive: true });
  }
}
