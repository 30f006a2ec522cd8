// Looks for secrets in the whole memory of every instance of the module that this page ever made.
import { hex } from './traces.js';

const memories = [];
WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(...given) {
    super(...given);
    if (this.exports.memory) memories.push(this.exports.memory);
  }
};

const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=*$/, '');
const utf8 = (text) => new TextEncoder().encode(text);

/** The ways in which secret bytes may be written down, by what they are. */
export const bytesOf = (name, bytes) => ({
  [name]: [bytes],
  [`${name} in hexadecimal`]: [utf8(hex(bytes)), utf8(hex(bytes).toUpperCase())],
  [`${name} in base64`]: [utf8(base64(bytes)), utf8(base64(bytes).replaceAll('+', '-').replaceAll('/', '_'))],
  [`${name} as numbers`]: [utf8(bytes.join(','))],
});

/** A secret text, by what it is. */
export const textOf = (name, text) => ({ [name]: [utf8(text), utf8(text.toLowerCase())] });

/** A part of a secret is one, too: a block that was freed, or used again, may have lost the rest. */
const PART = 8;

/** Which of the secrets have a part left in any memory. */
export function found(secrets) {
  const all = memories.map(({ buffer }) => inOneByte(new Uint8Array(buffer)));
  const named = Object.entries(secrets).filter(([, forms]) => forms.flatMap(parts).some((part) => isIn(all, part)));
  return named.map(([name]) => name);
}

const isIn = (all, part) => all.some((memory) => memory.includes(part));

function parts(form) {
  const starts = Array.from({ length: Math.floor(form.length / PART) }, (_, at) => at * PART);
  return starts.map((at) => inOneByte(form.subarray(at, at + PART)));
}

/** Bytes as a text of as many characters, in which the browser searches fast. Each byte has a character of its own. */
const inOneByte = (bytes) => new TextDecoder('x-user-defined').decode(bytes);
