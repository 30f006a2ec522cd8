// What lies in a database, in a form that can be compared: rows as texts, and how stores and indexes are declared.

/** The engine's own of a record, and what the older app kept for its merging. */
const kept = /^(__.*|_updatedAtIndex)$/;

/** A row by its values, whatever their kinds, with its fields in order. */
export function shownRow(row) {
  const fields = Object.keys(row).filter((field) => !kept.test(field));
  return Object.fromEntries(fields.sort().map((field) => [field, shown(row[field])]));
}

function shown(value) {
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (value instanceof Map) return `Map ${shown([...value])}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(shown)}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  return `{${Object.keys(value)
    .sort()
    .map((name) => `${name}: ${shown(value[name])}`)}}`;
}

/** Every store with its key and indexes, as IndexedDB has them. */
export async function layout(name) {
  const db = await settled(indexedDB.open(name));
  const stores = {};
  for (const store of db.objectStoreNames) stores[store] = describe(db.transaction(store).objectStore(store));
  db.close();
  return stores;
}

function describe(store) {
  const indexes = [...store.indexNames].map((name) => {
    const { keyPath, unique, multiEntry } = store.index(name);
    return { name, keyPath, unique, multiEntry };
  });
  return { keyPath: store.keyPath, autoIncrement: store.autoIncrement, indexes };
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
