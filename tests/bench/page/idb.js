// IndexedDB as promises, with nothing in between.

export function open(name, upgrade) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => upgrade(request.result);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export function remove(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}

export function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** All requests of one turn are answered in order: the last one's answer means all have theirs. */
export async function answers(requests) {
  if (requests.length > 0) await answer(requests.at(-1));
  return requests.map((request) => request.result);
}

/** As fast as a browser can: no waiting for the disk, and no waiting for further requests. */
export const relaxed = { durability: 'relaxed' };

export function committed(tx) {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error ?? new Error('the transaction was aborted'));
    tx.commit();
  });
}
