// Looks for secrets in everything that an origin keeps: every store of a database, and both storages of the page.
import { everything } from './common.js';

/** All that is kept, as texts in which bytes are hexadecimal: one for each row. */
export async function kept(name) {
  const stores = await everything(name);
  const texts = [localStorage, sessionStorage].map((storage) => JSON.stringify({ ...storage }));
  for (const [store, rows] of Object.entries(stores)) {
    for (const row of rows) texts.push(`${store} ${inFull(row)}`);
  }
  return texts;
}

/** A value as JSON, with what JSON leaves out: bytes, maps, sets. */
function inFull(value) {
  return JSON.stringify(value, (_, part) => {
    if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return hex(new Uint8Array(part.buffer ?? part));
    if (part instanceof Map || part instanceof Set) return [...part];
    return part;
  });
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** How a key may be written down: hexadecimal, base64, a list of numbers, as text of its bytes. */
export function spellingsOf(key) {
  const text = String.fromCharCode(...key);
  const base64 = btoa(text).replace(/=*$/, '');
  const urlSafe = base64.replaceAll('+', '-').replaceAll('/', '_');
  return [hex(key), hex(key).toUpperCase(), base64, urlSafe, key.join(','), JSON.stringify(text).slice(1, -1)];
}

/** The beginnings of those texts that hold any of the secrets. */
export function holding(texts, secrets) {
  return texts.filter((text) => secrets.some((secret) => text.includes(secret))).map((text) => text.slice(0, 200));
}
