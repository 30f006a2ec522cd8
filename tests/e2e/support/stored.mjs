// Everything that a page's IndexedDB holds, as it is on disk.

/** All rows of all stores of all databases, as texts: `{ database, store, row }`. */
export function storedRows(page) {
  return page.evaluate(async () => {
    const done = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
        request.onblocked = () => reject(new Error('the database is blocked'));
      });
    const bytes = (_, value) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);
    const found = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const rows = await done(database.transaction(store).objectStore(store).getAll());
        found.push(...rows.map((row) => ({ database: name, store, row: JSON.stringify(row, bytes) })));
      }
      database.close();
    }
    return found;
  });
}
