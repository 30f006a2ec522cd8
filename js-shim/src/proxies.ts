/**
 * Takes reactive proxies off what is handed to a write.
 *
 * A `$state` proxy cannot be told from the object behind it, and structured clone refuses it. It only ever stands for a
 * plain object or an array, so those are copied and everything else (Date, Map, Blob, typed arrays, class instances) is
 * handed on as it is. The copy also means that a row changed after the call does not change what is written.
 */

type Seen = Map<object, unknown>;

/** A copy of a row without proxies; the row itself may be of any class, as only its own fields are stored. */
export function plainRow(row: object): Record<string, unknown> {
  return copyFields(row, {}, new Map());
}

/** A copy of a value without proxies. */
export function plain(value: unknown): unknown {
  return copy(value, new Map());
}

function copy(value: unknown, seen: Seen): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) return copyItems(value, seen);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Map.prototype) return copyMap(value as Map<unknown, unknown>, seen);
  if (prototype === Set.prototype) return copySet(value as Set<unknown>, seen);
  if (prototype === null || isObjectPrototype(prototype)) return copyFields(value, {}, seen);
  return value;
}

/** Also true of another realm's `Object.prototype`: an iframe's plain objects are plain. */
function isObjectPrototype(prototype: object): boolean {
  return prototype === Object.prototype || (Object.getPrototypeOf(prototype) === null && 'isPrototypeOf' in prototype);
}

function copyItems(items: readonly unknown[], seen: Seen): unknown[] {
  const out: unknown[] = new Array(items.length);
  seen.set(items, out);
  // A hole stays a hole: in tables that do not sync it is stored as one.
  for (let i = 0; i < items.length; i += 1) if (i in items) out[i] = copy(items[i], seen);
  return out;
}

function copyMap(map: ReadonlyMap<unknown, unknown>, seen: Seen): Map<unknown, unknown> {
  const out = new Map<unknown, unknown>();
  seen.set(map, out);
  for (const [key, value] of map) out.set(copy(key, seen), copy(value, seen));
  return out;
}

function copySet(set: ReadonlySet<unknown>, seen: Seen): Set<unknown> {
  const out = new Set<unknown>();
  seen.set(set, out);
  for (const value of set) out.add(copy(value, seen));
  return out;
}

function copyFields(from: object, to: Record<string, unknown>, seen: Seen): Record<string, unknown> {
  seen.set(from, to);
  for (const name of Object.keys(from)) {
    const value = copy((from as Record<string, unknown>)[name], seen);
    // An own field of that name would become the prototype if it were assigned; the engine refuses it by name.
    if (name === '__proto__')
      Object.defineProperty(to, name, { value, enumerable: true, configurable: true, writable: true });
    else to[name] = value;
  }
  return to;
}
