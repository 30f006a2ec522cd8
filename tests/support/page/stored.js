// What the browser really holds, read without the engine.

/**
 * Every row of every store, or null when there is no such database. Makes none.
 *
 * Chromium answers the first request for a database that it finds damaged with `UnknownError`, and deletes it.
 */
export function stored(name) {
  return read(name).catch((error) => {
    if (error.name !== 'UnknownError') throw error;
    return read(name);
  });
}

async function read(name) {
  const known = await indexedDB.databases();
  if (!known.some((database) => database.name === name)) return null;
  const db = await answer(indexedDB.open(name));
  try {
    const stores = [...db.objectStoreNames];
    if (stores.length === 0) return null;
    const transaction = db.transaction(stores);
    const rows = await Promise.all(stores.map((store) => answer(transaction.objectStore(store).getAll())));
    return Object.fromEntries(stores.map((store, at) => [store, rows[at]]));
  } finally {
    db.close();
  }
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
