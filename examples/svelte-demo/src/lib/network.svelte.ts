// One device's way to the network: a fetch and a WebSocket that a switch can cut. While cut, nothing leaves and
// nothing arrives: running requests fail, open sockets close, new ones never connect.
import { Wire } from './wire.svelte.ts';

export class Network {
  /** What goes over it. */
  readonly wire = new Wire();
  /** False while this device is cut off. */
  connected = $state(true);
  #requests = new AbortController();
  #sockets = new Set<WebSocket>();

  /** A drop-in for the browser's fetch. */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const cut = this.#requests.signal;
    const own = init?.signal;
    try {
      cut.throwIfAborted();
      if (init?.body) void this.wire.hear(new Response(init.body), 'sent', isPacked(init));
      const answer = await globalThis.fetch(input, { ...init, signal: own ? AbortSignal.any([own, cut]) : cut });
      void this.wire.hear(answer.clone(), 'received', false);
      return answer;
    } catch (error) {
      // What a browser says about a network that is not there.
      throw cut.aborted ? new TypeError('Failed to fetch') : error;
    }
  };

  /** A drop-in for the browser's WebSocket. */
  readonly WebSocket: typeof WebSocket = gatedSocket(
    () => this.connected,
    (socket) => {
      this.#sockets.add(socket);
      socket.addEventListener('close', () => this.#sockets.delete(socket));
    },
  );

  /** Cuts this device off. */
  cut(): void {
    this.connected = false;
    this.#requests.abort();
    for (const socket of this.#sockets) socket.close();
  }

  /** Lets this device reach the network again. */
  restore(): void {
    this.connected = true;
    this.#requests = new AbortController();
  }
}

/** Whether the engine has compressed what it sends. */
function isPacked({ headers }: RequestInit): boolean {
  return new Headers(headers).get('Content-Encoding') === 'gzip';
}

function gatedSocket(connected: () => boolean, opened: (socket: WebSocket) => void): typeof WebSocket {
  return new Proxy(WebSocket, {
    construct(target, [url, protocols]: [string | URL, (string | string[])?]) {
      if (!connected()) return new UnreachableSocket(url);
      const socket = new target(url, protocols);
      opened(socket);
      return socket;
    },
  });
}

/** Behaves like a WebSocket to a host that cannot be reached: an error, then a close. */
class UnreachableSocket extends EventTarget {
  readonly url: string;
  readonly protocol = '';
  readonly extensions = '';
  readonly bufferedAmount = 0;
  binaryType: BinaryType = 'blob';
  readyState: number = WebSocket.CONNECTING;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  constructor(url: string | URL) {
    super();
    this.url = String(url);
    setTimeout(() => this.close());
  }

  send(): void {
    throw new DOMException('The socket is not open', 'InvalidStateError');
  }

  close(): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    const failed = new Event('error');
    const closed = new CloseEvent('close', { code: 1006, wasClean: false });
    this.onerror?.(failed);
    this.dispatchEvent(failed);
    this.onclose?.(closed);
    this.dispatchEvent(closed);
  }
}
