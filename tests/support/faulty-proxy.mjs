// Stands between pages and the server and, when told to, does what broken servers and networks do.
import { Agent, createServer, request as forward } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { falsehood, falsehoods } from './falsehoods.mjs';
import { listen, unlisten } from './ports.mjs';

/**
 * What a network does to a request. A request that is `held` is answered by nobody until connections are cut; of one that is `cut
 * midway` half of the answer comes; `lost` means that the server did what was asked and its answer went missing; a `repeated` one
 * reaches the server twice; a `late` one and its answer take their time, so that others overtake them; an `old answer` is one that
 * was given before.
 */
export const networkFaults = ['held', 'cut midway', 'lost', 'repeated', 'late', 'old answer'];

/** Everything that can be done to a request. Preflights always reach the server: a browser hides all else. */
export const allFaults = [...networkFaults, ...Object.keys(falsehoods)];

export class FaultyProxy {
  /** Its address. */
  url = '';
  /** How many requests met each fault. */
  hits = new Map();
  /** How many WebSockets were opened. */
  opened = 0;
  /** Gives the fault of the next request, or null. */
  #next = () => null;
  #server;
  #target;
  #sockets = new Set();
  #agent = new Agent({ keepAlive: false });
  /** The last answers to each path. */
  #answered = new Map();

  constructor(target) {
    this.#target = new URL(target);
    this.#server = createServer((request, response) => {
      // Whoever asked may have gone, and so may the server.
      this.#handle(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** @param {string} target the server's address */
  static async start(target) {
    const proxy = new FaultyProxy(target);
    proxy.url = await listen(proxy.#server);
    return proxy;
  }

  /**
   * From now on; what is open is cut.
   *
   * @param {null | string | ((path: string) => string | null)} fault one of `allFaults`, null to pass everything on, or what chooses
   *   anew for each request
   */
  become(fault) {
    this.#next = typeof fault === 'function' ? fault : () => fault;
    this.hits = new Map();
    this.cut();
  }

  /** Cuts every connection there is. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.#server.closeAllConnections();
  }

  /** How many WebSockets stand. */
  get standing() {
    return this.#sockets.size / 2;
  }

  stop() {
    this.cut();
    return unlisten(this.#server);
  }

  #fault({ url }) {
    const fault = this.#next(url);
    if (fault) this.hits.set(fault, (this.hits.get(fault) ?? 0) + 1);
    return fault;
  }

  async #handle(request, response) {
    const fault = request.method === 'OPTIONS' ? null : this.#fault(request);
    const body = await bytesOf(request);
    if (fault === 'held') return;
    if (fault in falsehoods) return give(response, falsehood(fault, { headers: request.headers, body }));
    if (fault === 'late') await pause(100 + Math.random() * 900);
    const asked = { method: request.method, path: request.url, headers: request.headers, body };
    if (asked.path.startsWith('/v2/stream')) return this.#stream(asked, response, fault);
    await this.#answer(asked, response, fault);
  }

  async #answer(asked, response, fault) {
    const [path] = asked.path.split('?');
    const earlier = this.#answered.get(path);
    if (fault === 'old answer' && earlier) return give(response, earlier);
    if (fault === 'repeated') await this.#ask(asked);
    const answer = await this.#ask(asked);
    if (answer.status === 200) this.#answered.set(path, answer);
    if (fault === 'late') await pause(Math.random() * 1000);
    if (fault === 'lost') response.destroy();
    else if (fault === 'cut midway') cutMidway(response, answer);
    else give(response, answer);
  }

  /** The server's whole answer. */
  async #ask(asked) {
    const answer = await this.#forward(asked);
    return { status: answer.statusCode, headers: answer.headers, body: await bytesOf(answer) };
  }

  /** What does not end is passed on as it comes; each fault is a cut after some time. */
  async #stream(asked, response, fault) {
    const answer = await this.#forward(asked);
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
    response.on('close', () => answer.destroy());
    if (fault) setTimeout(() => response.destroy(), Math.random() * 1000).unref();
  }

  #forward({ method, path, headers, body }) {
    const { hostname, port } = this.#target;
    return new Promise((resolve, reject) => {
      const onward = forward({ hostname, port, method, path, headers, agent: this.#agent }, resolve);
      onward.on('error', reject);
      onward.end(body);
    });
  }

  #upgrade(request, socket, head) {
    if (this.#fault(request)) {
      socket.destroy();
      return;
    }
    this.opened += 1;
    const onward = connect(Number(this.#target.port), this.#target.hostname);
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    onward.write(`${lines.join('\r\n')}\r\n\r\n`);
    onward.write(head);
    socket.pipe(onward).pipe(socket);
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ]) {
      this.#sockets.add(one);
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
    }
  }
}

async function bytesOf(message) {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function give(response, { status, headers, body }) {
  const { 'transfer-encoding': _, ...kept } = headers;
  response.writeHead(status, kept).end(body);
}

function cutMidway(response, { status, headers, body }) {
  const { 'transfer-encoding': _, ...kept } = headers;
  response.writeHead(status, { ...kept, 'Content-Length': String(body.length + 1) });
  response.write(body.subarray(0, Math.ceil(body.length / 2)));
  setImmediate(() => response.destroy());
}
