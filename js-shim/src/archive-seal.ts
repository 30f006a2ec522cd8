/** AES-256-GCM by the platform, which is faster than the module and holds nothing in its memory. */

/**
 * Seals `body`, with its tag behind it; `undefined` where the platform has no WebCrypto, as in pages that did not come over HTTPS,
 * or does not take so much at once.
 */
export function sealed(key: Bytes, iv: Bytes, body: Bytes): Promise<Bytes | undefined> {
  return withKey(key, 'encrypt', (subtle, imported) => subtle.encrypt({ name: 'AES-GCM', iv }, imported, body));
}

/** Opens what was sealed; `undefined` where the platform did not, for any reason: it does not say which. */
export function opened(key: Bytes, iv: Bytes, body: Bytes): Promise<Bytes | undefined> {
  return withKey(key, 'decrypt', (subtle, imported) => subtle.decrypt({ name: 'AES-GCM', iv }, imported, body));
}

/** Bytes of a buffer that is not shared, as WebCrypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;

async function withKey(
  key: Bytes,
  usage: 'encrypt' | 'decrypt',
  use: (subtle: SubtleCrypto, imported: CryptoKey) => Promise<ArrayBuffer>,
): Promise<Bytes | undefined> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return undefined;
  try {
    return new Uint8Array(await use(subtle, await subtle.importKey('raw', key, 'AES-GCM', false, [usage])));
  } catch {
    return undefined;
  }
}
