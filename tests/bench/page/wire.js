// Pages of changes as the server sends them, and the server itself as far as a pull needs it.

let last = 0;

/** Later than all before it, as a stamp. */
export function freshStamp() {
  last = Math.max(last + 1, Date.now() - 60_000);
  return new Date(last).toISOString().replace('Z', '000Z');
}

const pageSize = 1000;

/** Changes as the texts of answers, each with the cursor behind it. */
export function pagesOf(changes) {
  const pages = [];
  for (let at = 0; at < changes.length; at += pageSize) {
    const hasMore = at + pageSize < changes.length;
    pages.push(answerText(changes.slice(at, at + pageSize), hasMore));
  }
  return pages;
}

let cursors = 0;

function answerText(changes, hasMore) {
  const serverTime = new Date().toISOString().replace('Z', '000Z');
  cursors += 1;
  return JSON.stringify({
    protocol: 2,
    changes,
    cursor: `cursor-${cursors}`,
    hasMore,
    serverTime,
    spaces: [],
    spacesAsOf: serverTime,
  });
}

const other = { kind: 'user', principalId: 'u1', displayName: 'User' };
const frame = { app: 'bench', schemaVersion: 1, table: 'records', spaceId: '_personal:u1', visibility: 'space' };

export function insertOf({ id, ...data }, at) {
  const own = { ...data, authorId: 'u1', visibility: 'space', deletedAt: null };
  return { eventId: crypto.randomUUID(), ...frame, id, op: 'insert', at, data: own, actor: other, origin: 'user' };
}

export function updateOf(id, changes, at, prev) {
  const fields = Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, { value, at, prev }]));
  return { eventId: crypto.randomUUID(), ...frame, id, op: 'update', at, fields, actor: other, origin: 'user' };
}

/** Answers an engine's requests inside the page. */
export class PageServer {
  #pages = [];
  /** When the first page of the last delivery was handed over, by `performance.now()`. */
  handedOver = 0;

  deliver(pages) {
    this.#pages = [...pages];
    this.handedOver = 0;
  }

  fetch = async (url, init) => {
    const text = await this.#answer(String(url), init);
    return new Response(text, { headers: { 'content-type': 'application/json' } });
  };

  async #answer(url, init) {
    const time = new Date().toISOString().replace('Z', '000Z');
    if (url.endsWith('/health')) {
      return JSON.stringify({ status: 'ok', service: 'bench', protocol: 2, timestamp: time });
    }
    if (url.endsWith('/v2/pull')) {
      const page = this.#pages.shift() ?? answerText([], false);
      this.handedOver ||= performance.now();
      return page;
    }
    const { changes } = await new Response(init.body).json();
    return JSON.stringify({ protocol: 2, accepted: changes.map((c) => c.eventId), rejected: [], serverTime: time });
  }
}

/** No news comes by socket: the pages ask by themselves. */
export class NoSocket {
  close() {}
  send() {}
}
