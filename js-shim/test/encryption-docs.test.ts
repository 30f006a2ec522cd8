/** The program in docs/encryption.md opens the example there: what the engine writes can be read without it. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../docs/encryption.md', import.meta.url), 'utf8');

/** The first block of a language under a heading. */
function block(heading: string, language: string): string {
  const [, rest = ''] = page.split(`## ${heading}\n`);
  const [, code = ''] = rest.split(`\`\`\`${language}\n`);
  return code.split('```')[0] ?? '';
}

const example = JSON.parse(block('Worked example', 'json'));
const reader = await import(`data:text/javascript,${encodeURIComponent(block('A reader in JavaScript', 'js'))}`);
const key = fromHex(example.key);

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

test('the reader opens the values', async () => {
  expect(await reader.keyId(key)).toBe(example.keyId);
  expect(reader.associatedData(example.place)).toEqual(fromHex(example.associatedData));
  expect(await reader.open(key, example.place, example.enc1)).toBe(example.value);
  expect(await reader.open(key, example.place, example.enc2)).toBe(example.value);
  await expect(reader.open(key, { ...example.place, field: 'notes' }, example.enc2)).rejects.toThrow();
});

test('the reader opens every envelope of the older app', async () => {
  const path = new URL('../../crate/tests/vectors/older-app/field-envelopes.json', import.meta.url);
  const { masterKeyHex, otherKeyHex, cases } = JSON.parse(readFileSync(path, 'utf8'));
  expect(cases).toHaveLength(14);
  for (const { plaintext, blob } of cases) {
    expect(await reader.open(fromHex(masterKeyHex), example.place, blob)).toEqual(plaintext);
    await expect(reader.open(fromHex(otherKeyHex), example.place, blob)).rejects.toThrow();
  }
});

test('the reader opens the key with the recovery code, the passphrase and the newer key', async () => {
  expect(await reader.unwrapWithCode(example.recovery.code, example.recovery)).toEqual(key);
  const { passphrase, wrapped } = example.passphrase;
  expect(await reader.unwrapWithPassphrase(passphrase.normalize('NFD'), wrapped)).toEqual(key);
  const { newerKey, place, sealedKey } = example.rotated;
  expect(atob(await reader.open(fromHex(newerKey), place, sealedKey))).toBe(String.fromCharCode(...key));
});
