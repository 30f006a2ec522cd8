// What the page told in one round.
import assert from 'node:assert/strict';

export class Heard {
  /** The request under way; undefined while the sync loop rests. */
  request;
  /** How many changes the page last said were unsent. */
  pending;
  #ledger;
  #lost = [];
  #expectedLost = [];
  #trouble = [];
  #waiting = [];

  constructor(ledger) {
    this.#ledger = ledger;
  }

  hear(what) {
    if (what.event === 'database-lost') this.#lost.push(what.detail.unsent);
    else if (what.event || what.broken || what.failed) this.#trouble.push(JSON.stringify(what));
    else if (what.request) this.#exchanged('request', what.request);
    else if (what.answer) this.#exchanged('answer', what.answer);
    else if (what.state) this.#status(what);
    else this.#ledger.hear(what);
  }

  #exchanged(what, path) {
    this.request = path;
    for (const waiting of this.#waiting) if (waiting.what === what && waiting.path === path) waiting.count();
  }

  #status({ state, pending }) {
    this.pending = pending;
    if (state !== 'syncing') this.request = undefined;
  }

  /** Resolves at the `count`th request to that path from now on, or answer from it. */
  exchanges(what, path, count, patience) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} of ${path} within ${patience} ms`)), patience);
      let left = count;
      const one = () => {
        left -= 1;
        if (left > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.push({ what, path, count: one });
    });
  }

  /** The losses that the engine must have told in this round. */
  expectLost(counts) {
    this.#expectedLost = counts;
    this.check();
  }

  /** Fails when the page complained, or told another loss than there was. */
  check() {
    assert.deepEqual(this.#trouble, [], 'the page complained');
    assert.deepEqual(this.#lost, this.#expectedLost, 'database-lost, told and expected');
  }
}
