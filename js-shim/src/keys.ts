/** The order of IndexedDB's keys, for rows that are sorted here. */

/** The value at a path such as `a.b`. */
export function valueAt(row: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], row);
}

/** Numbers before Dates before strings before bytes before arrays; what is no key comes first. */
export function compareKeys(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return order(a, b);
  const difference = rank(a) - rank(b);
  if (difference !== 0) return difference;
  switch (rank(a)) {
    case 1:
    case 2:
      return order(Number(a), Number(b));
    case 4:
      return items([...bytes(a)], [...bytes(b)]);
    case 5:
      return items(a as unknown[], b as unknown[]);
    default:
      return 0;
  }
}

function order<V extends string | number>(a: V, b: V): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function items(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    const difference = compareKeys(a[i], b[i]);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(value: unknown): number {
  if (typeof value === 'number') return Number.isNaN(value) ? 0 : 1;
  if (typeof value === 'string') return 3;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 0 : 2;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return 4;
  return Array.isArray(value) ? 5 : 0;
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const { buffer, byteOffset, byteLength } = value as ArrayBufferView;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
