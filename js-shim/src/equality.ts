/** Whether two stored values are the same, so that rows which did not change can stay the same objects. */

/** Compares by content what rows usually hold; two different objects of any other kind count as different. */
export function equal(a: unknown, b: unknown): boolean {
  try {
    return alike(a, b);
  } catch {
    // A value that leads back to itself has no end.
    return false;
  }
}

function alike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b, alike);
  return isPlain(a) && isPlain(b) && sameFields(a, b);
}

/** Whether two lists hold the same items in the same order. */
export function sameItems<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean = Object.is): boolean {
  return a.length === b.length && a.every((item, at) => same(item, b[at] as T));
}

/** Written as plain loops: it runs over every field of every row that a live query reads again. */
function sameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  let count = 0;
  let left: unknown;
  let right: unknown;
  for (const name in a) {
    const x = a[name];
    const y = b[name];
    count += 1;
    // The fields of one write share one stamp, so the same pair of objects comes up field after field.
    if (x !== undefined && x === left && y === right) continue;
    if (x !== y && !alike(x, y)) return false;
    if (y === undefined && !Object.hasOwn(b, name)) return false;
    left = x;
    right = y;
  }
  for (const _ in b) count -= 1;
  return count === 0;
}

/** Whether a value is an object that consists of nothing but its fields. */
export function isPlain(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
