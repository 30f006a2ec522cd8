// What an app does that seals by itself: WebCrypto, awaited before it writes and after it reads.
import { sealedFields } from '../records.js';
import { plain, RawContender } from './raw.js';

export const webCrypto = () => new WebCryptoContender('WebCrypto', plain);

class WebCryptoContender extends RawContender {
  seals = true;
  /** Not in topics without encryption. */
  onlySeals = true;

  async open() {
    const bytes = new Uint8Array(32).fill(7);
    this.key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return super.open();
  }

  async bulkAdd(db, records) {
    return super.bulkAdd(db, await Promise.all(records.map((record) => this.#each(record, this.#sealed))));
  }

  async readAll(db) {
    const rows = await super.readAll(db);
    return Promise.all(rows.map((row) => this.#each(row, this.#opened)));
  }

  /** Opens a key that was wrapped with a passphrase. */
  async unlock(_db, passphrase, { iterations, salt, iv, ciphertext }) {
    const typed = new TextEncoder().encode(passphrase.normalize('NFKC'));
    const from = await crypto.subtle.importKey('raw', typed, 'PBKDF2', false, ['deriveBits']);
    const how = { name: 'PBKDF2', hash: 'SHA-256', salt: bytes(salt), iterations };
    const derived = await crypto.subtle.deriveBits(how, from, 256);
    const wrapKey = await crypto.subtle.importKey('raw', derived, 'AES-GCM', false, ['decrypt']);
    const key = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes(iv) }, wrapKey, bytes(ciphertext));
    this.key = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  }

  async #each(row, change) {
    const values = await Promise.all(sealedFields.map((name) => change(row[name])));
    return { ...row, ...Object.fromEntries(sealedFields.map((name, at) => [name, values[at]])) };
  }

  #sealed = async (value) => {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const text = new TextEncoder().encode(JSON.stringify(value));
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, this.key, text);
    return `enc:1:${base64(iv)}.${base64(new Uint8Array(sealed))}`;
  };

  #opened = async (envelope) => {
    const [iv, sealed] = envelope.slice('enc:1:'.length).split('.').map(bytes);
    const text = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, this.key, sealed);
    return JSON.parse(new TextDecoder().decode(text));
  };
}

function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
