// Values sealed and opened by themselves, without a database: by the engine's module, and by WebCrypto with the browser's own
// base64, as the fastest that an app can do.

export const moduleCiphers = () => new ModuleCiphers();
export const webCiphers = () => new WebCiphers();

const key = new Uint8Array(32).fill(7);

class ModuleCiphers {
  name = 'engine';
  ciphers = true;
  onlySeals = true;

  async open() {
    const { Ciphers, default: init } = await import('/ciphers/ciphers.js');
    await init();
    return new Ciphers(key);
  }

  close(ciphers) {
    ciphers.free();
  }

  async sealEach(ciphers, values) {
    return values.map((value) => ciphers.seal(JSON.stringify(value)));
  }

  async openEach(ciphers, envelopes) {
    return envelopes.map((envelope) => JSON.parse(ciphers.open(envelope)));
  }

  openTogether(ciphers, envelopes) {
    return this.openEach(ciphers, envelopes);
  }
}

class WebCiphers {
  name = 'WebCrypto';
  ciphers = true;
  onlySeals = true;

  open() {
    return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  }

  close() {}

  async sealEach(key, values) {
    const envelopes = [];
    for (const value of values) envelopes.push(await sealed(key, value));
    return envelopes;
  }

  async openEach(key, envelopes) {
    const values = [];
    for (const envelope of envelopes) values.push(await opened(key, envelope));
    return values;
  }

  openTogether(key, envelopes) {
    return Promise.all(envelopes.map((envelope) => opened(key, envelope)));
  }
}

async function sealed(key, value) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const text = new TextEncoder().encode(JSON.stringify(value));
  const ciphertext = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, text);
  return `enc:1:${iv.toBase64()}.${new Uint8Array(ciphertext).toBase64()}`;
}

async function opened(key, envelope) {
  const [iv, ciphertext] = envelope
    .slice('enc:1:'.length)
    .split('.')
    .map((part) => Uint8Array.fromBase64(part));
  const text = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, ciphertext);
  return JSON.parse(new TextDecoder().decode(text));
}
