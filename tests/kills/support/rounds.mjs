// Rounds of one start each: look at what the last kill left, check it, sync, work, kill.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { differences, unsent } from '../../support/replicas.mjs';
import { Heard } from './heard.mjs';
import { installOf, tornStates } from './oracle.mjs';
import { keepWriting, makeBacklog } from './traffic.mjs';

/** Milliseconds until what a kill waits for must have happened. */
const patience = 30_000;

export class Rounds {
  #world;
  #random;
  #ledger;
  #tally;
  #heard;
  /** The database that there should be. */
  #install;
  /** How many unsent changes the database held that the test took away. */
  #taken;

  constructor(world, random, ledger, tally) {
    this.#world = world;
    this.#random = random;
    this.#ledger = ledger;
    this.#tally = tally;
  }

  /** Starts, checks what is there, and kills as planned. */
  async run(round) {
    const { device } = this.#world;
    const loss = await this.#start();
    // A loss is looked into at once, which needs the server.
    const kind = loss ? 'writing' : round.kind;
    if (kind === 'starting' || kind === 'pulling') await this.#open(kind, round);
    else await this.#work(kind, round, loss);
    await device.kill();
    this.#heard.check();
    this.#tally.kill(kind, this.#ledger, this.#heard.request);
    if (kind === 'losing') await device.loseDatabase();
  }

  /** The last start: everything is there. */
  async finish() {
    await this.#settle(await this.#start());
    await this.#world.device.kill();
  }

  /** Starts the browser and checks what the kill left before the engine sees it. Gives what is known of a loss. */
  async #start() {
    const { device, phone, server, address } = this.#world;
    const pending = this.#heard?.pending;
    this.#heard = new Heard(this.#ledger);
    await device.start(address, (what) => this.#heard.hear(what));
    const { rows, note } = await device.look();
    await server.start();
    await phone.pull();
    none('said to be synced, and not on the server', this.#ledger.missing(phone));
    // A database that was killed in its first round may be gone before it was ever looked at.
    const isLost = this.#install ? installOf(rows) !== this.#install : note && !rows;
    if (isLost) return { note, pending };
    if (rows) this.#check(rows);
    return undefined;
  }

  #check(rows) {
    const torn = tornStates(rows, this.#world.phone);
    this.#tally.orphans += torn.length;
    none('torn', torn);
    if (unsent(rows) > 0) this.#tally.withUnsent += 1;
    this.#tally.lostFromTheEnd += this.#ledger.account(rows).lost;
    this.#install = installOf(rows);
  }

  /** Opens the engine, and waits for the moment of a kill that comes before it has everything. */
  async #open(kind, { backlog, delay, what }) {
    const { device, phone, server } = this.#world;
    if (kind === 'pulling') await makeBacklog(phone, this.#random, backlog);
    const pulled = kind === 'pulling' ? this.#heard.exchanges(what, '/v2/pull', 1, patience) : undefined;
    device.open(server.url).catch(() => {});
    await pulled;
    await pause(delay);
  }

  /** Opens the engine, writes, and waits for the moment of the kill. */
  async #work(kind, { delay, pushes, what }, loss) {
    const { device, phone, server } = this.#world;
    if (kind === 'offline' || kind === 'losing') {
      await server.stop('SIGKILL');
      await device.open(server.url);
    } else await this.#settle(loss);
    const pushed = kind === 'pushing' ? this.#heard.exchanges(what, '/v2/push', pushes, patience) : undefined;
    await device.work(this.#ledger.begin(this.#random.between(0, 2 ** 31)));
    await pushed;
    const over = new AbortController();
    const writing = kind === 'contested' ? keepWriting(phone, this.#random, over.signal) : undefined;
    await pause(delay);
    if (kind === 'losing') await this.#rest();
    // The browser goes while the other device writes.
    if (writing) await device.kill();
    over.abort();
    await writing;
  }

  /** Waits until the engine's note of what is unsent is right, and on the disk. */
  async #rest() {
    const { device } = this.#world;
    await device.rest();
    const { rows, note } = await device.look();
    assert.equal(note.unsent, unsent(rows), 'unsent changes, noted and stored');
    await device.keptNote(note);
    this.#taken = note.unsent;
  }

  /** Opens the engine and syncs; then both sides must have the same, and a loss must have been told, with its size. */
  async #settle(loss) {
    const { device, phone, server } = this.#world;
    await device.open(server.url);
    await device.settle();
    await phone.pull();
    const { rows } = await device.look();
    none('different', differences(rows, phone));
    assert.equal(unsent(rows), 0, 'unsent changes after syncing');
    this.#install = installOf(rows);
    if (loss) this.#account(loss, rows);
    this.#ledger.allSynced();
  }

  /** A loss is told with the number in the note; of one that the test made it is right, else it may be some seconds old. */
  #account({ note, pending }, rows) {
    if (this.#taken !== undefined) assert.equal(note?.unsent, this.#taken, 'unsent changes, noted and taken away');
    this.#heard.expectLost(note ? [note.unsent] : []);
    this.#ledger.forget(rows);
    this.#tally.loss({ taken: this.#taken !== undefined, pending, told: note?.unsent });
    this.#taken = undefined;
  }
}

function none(what, list) {
  assert.equal(list.length, 0, `${what}:\n${list.slice(0, 20).join('\n')}\n(${list.length} in all)`);
}
