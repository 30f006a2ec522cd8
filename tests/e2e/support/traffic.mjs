// Everything that the pages of a browser profile send and are sent, and how secrets are looked for in it.
import { gunzipSync } from 'node:zlib';

/** Notes requests, answers and WebSocket frames of all pages of a profile. */
export class Traffic {
  /** Bodies of requests as they were before they were compressed. */
  sent = [];
  answers = [];
  frames = [];
  addresses = [];
  /** How many of `sent` were compressed. */
  compressed = 0;
  #reading = [];

  watch(context) {
    context.on('page', (page) => {
      page.on('request', (request) => this.#request(request));
      page.on('response', (response) => this.#answer(response));
      page.on('websocket', (socket) => {
        this.addresses.push(Buffer.from(socket.url()));
        for (const event of ['framesent', 'framereceived']) {
          socket.on(event, ({ payload }) => this.frames.push(Buffer.from(payload)));
        }
      });
    });
  }

  #request(request) {
    this.addresses.push(Buffer.from(`${request.url()} ${JSON.stringify(request.headers())}`));
    const body = request.postDataBuffer();
    if (!body) return;
    const isCompressed = request.headers()['content-encoding'] === 'gzip';
    if (isCompressed) this.compressed += 1;
    this.sent.push(isCompressed ? gunzipSync(body) : body);
  }

  #answer(response) {
    // Answers to preflights and redirects have no body; pages that are closed take the rest along.
    const read = response.body().then(
      (body) => this.answers.push(body),
      () => {},
    );
    this.#reading.push(read);
  }

  /** All of it, once what was answered so far is read. */
  async everything() {
    await Promise.all(this.#reading);
    return [...this.addresses, ...this.sent, ...this.answers, ...this.frames];
  }
}

/** A secret in the ways in which bytes and texts are written down. */
export function spellings(secret) {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const base64 = [0, 1, 2].map((offset) => inBase64(bytes, offset));
  const texts = [hex, hex.toUpperCase(), bytes.join(','), ...base64, ...base64.map(urlSafe)];
  return [bytes, ...texts.map((text) => Buffer.from(text))];
}

/** The characters that are the same wherever bytes begin so far from a multiple of three. */
function inBase64(bytes, offset) {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return whole.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}

const urlSafe = (base64) => base64.replaceAll('+', '-').replaceAll('/', '_');

/** Those of the secrets, by name, that some of the bytes hold in any spelling. */
export function found(secrets, haystacks) {
  const holds = (secret) => spellings(secret).some((spelling) => haystacks.some((bytes) => bytes.includes(spelling)));
  return Object.keys(secrets).filter((name) => holds(secrets[name]));
}
