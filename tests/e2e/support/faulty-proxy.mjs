// Stands between the demo and the server and, when told to, answers as broken servers and networks do.
import { createServer, request as forward } from 'node:http';
import { connect } from 'node:net';
import { listen, unlisten } from '../../support/ports.mjs';

/** What the proxy can do to a request. Preflights always reach the server: a browser hides all else. */
export const faults = ['html', 'garbage', 'another shape', 'nothing', 'closes midway'];

export class FaultyProxy {
  /** Its address. */
  url = '';
  /** One of `faults`, or null to pass everything on. */
  #fault = null;
  /** How many requests met a fault. */
  hits = 0;
  #server;
  #target;
  #sockets = new Set();

  constructor(target) {
    this.#target = new URL(target);
    this.#server = createServer((request, response) => this.#handle(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** @param {string} target the server's address */
  static async start(target) {
    const proxy = new FaultyProxy(target);
    proxy.url = await listen(proxy.#server);
    return proxy;
  }

  /** From now on; what is open is cut. */
  become(fault) {
    this.#fault = fault;
    this.hits = 0;
    this.#cut();
    this.#server.closeAllConnections();
  }

  stop() {
    this.#cut();
    return unlisten(this.#server);
  }

  #cut() {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #handle(request, response) {
    if (!this.#fault || request.method === 'OPTIONS') return this.#pass(request, response);
    this.hits += 1;
    request.resume();
    const json = { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*' };
    if (this.#fault === 'html') {
      response
        .writeHead(200, { ...json, 'Content-Type': 'text/html' })
        .end('<!doctype html><h1>Sign in to the Wi-Fi</h1>');
    } else if (this.#fault === 'garbage') {
      response.writeHead(200, json).end('{"protocol":2,"changes":[{"table":"tas\u0000');
    } else if (this.#fault === 'another shape') {
      response.writeHead(200, json).end('{"protocol":2,"changes":"none","accepted":7,"cursor":[]}');
    } else if (this.#fault === 'closes midway') {
      response.writeHead(200, { ...json, 'Content-Length': '4096' }).write('{"protocol":2,');
      setImmediate(() => response.destroy());
    }
    // "nothing": the request stays open until the proxy is told otherwise.
  }

  #pass(request, response) {
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = request;
    const onward = forward({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(request, socket, head) {
    if (this.#fault) {
      this.hits += 1;
      socket.destroy();
      return;
    }
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
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
  }
}
