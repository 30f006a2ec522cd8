// Servers that refuse a whole account, and devices that have no room.

const headers = { 'Access-Control-Allow-Origin': '*' };
/** As mana-sync answers them. */
const answers = {
  unpaid: { status: 402, headers, json: { error: 'subscription_inactive', message: 'not paid' } },
  unauthorized: { status: 401, headers, json: { error: 'unauthorized', message: 'no' } },
};

/** Stands between a browser profile and the server. */
export class Gate {
  /** How many requests were refused. */
  refused = 0;
  #answer;
  #left = 0;

  /** @param {import('playwright-core').BrowserContext} context of which no page is open yet */
  watch(context) {
    return context.route(/\/v2\//, (route) => {
      if (this.#left === 0) return route.fallback();
      this.#left -= 1;
      this.refused += 1;
      return route.fulfill(this.#answer);
    });
  }

  /** From now on, or so often, requests are answered that they are `unpaid` or `unauthorized`. */
  refuse(how, times = Number.POSITIVE_INFINITY) {
    [this.#answer, this.#left, this.refused] = [answers[how], times, 0];
  }

  open() {
    this.#left = 0;
  }
}

/** The id of a record that needs much room. */
export const largeId = 'large';

/** Has a profile's databases find no room for that record when it is committed, as a full disk shows, until `makeRoom`. */
export function withLittleRoom(context) {
  return context.addInitScript((id) => {
    const { put, add } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;
    const large = new WeakSet();
    const noting = (write) =>
      function (row, ...key) {
        if (row?.id === id) large.add(this.transaction);
        return write.call(this, row, ...key);
      };
    Object.assign(IDBObjectStore.prototype, { put: noting(put), add: noting(add) });
    IDBTransaction.prototype.commit = function () {
      if (globalThis.hasRoom || !large.has(this)) return commit.call(this);
      Object.defineProperty(this, 'error', { value: new DOMException('no room', 'QuotaExceededError') });
      globalThis.foundNoRoom = (globalThis.foundNoRoom ?? 0) + 1;
      this.abort();
    };
  }, largeId);
}

/** Has the page find room from now on; gives how often it found none. */
export function makeRoom(page) {
  return page.evaluate(() => {
    globalThis.hasRoom = true;
    return globalThis.foundNoRoom ?? 0;
  });
}
