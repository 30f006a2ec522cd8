// Keeps a recovery code on this device, wrapped by a key that no script can read out, so that a person need not type it
// at every visit. Whoever can run scripts in this page can use it all the same: an app may ask for a passkey first.

const store = 'codes';

interface Kept {
  readonly wrapper: CryptoKey;
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly sealed: ArrayBuffer;
}

/** Keeps a code under a name. */
export async function keep(name: string, code: string): Promise<void> {
  const wrapper = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, wrapper, new TextEncoder().encode(code));
  const kept: Kept = { wrapper, iv, sealed };
  await request('readwrite', (codes) => codes.put(kept, name));
}

/** The code that is kept under a name; null when there is none. */
export async function kept(name: string): Promise<string | null> {
  const found = (await request('readonly', (codes) => codes.get(name))) as Kept | undefined;
  if (!found) return null;
  const code = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: found.iv }, found.wrapper, found.sealed);
  return new TextDecoder().decode(code);
}

async function request(mode: IDBTransactionMode, make: (codes: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const opening = indexedDB.open('mana-demo-codes', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(store);
  const db = (await answer(opening)) as IDBDatabase;
  try {
    return await answer(make(db.transaction(store, mode).objectStore(store)));
  } finally {
    db.close();
  }
}

function answer(asked: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
