// What the engine asks of rows and values all the time, each in one call. Wrapped by wasm-bindgen, a function that may throw
// costs a closure and an array of its arguments, and three questions cost three calls.

/** The value of an own field; `undefined` where there is none or it cannot be read. */
export function own(row, name) {
  try {
    // Texts have a length of their own, but no fields.
    return typeof row === 'object' && Object.hasOwn(row, name) ? row[name] : undefined;
  } catch {
    return undefined;
  }
}

/** Gives a field a value; what cannot be changed stays as it is. The name is not `__proto__`. */
export function assign(row, name, value) {
  try {
    row[name] = value;
  } catch {
    // Frozen, or no object.
  }
}

/** JSON writes no number in more bytes, nor any of the words. */
const primitiveBytes = 24;
/** Other characters than those of ASCII that JSON writes as they are. */
const notPlain = /[^ !#-[\]-~]/;

/** The most bytes a value takes as JSON; -1 where that has to be looked at more closely. */
export function weight(value) {
  switch (typeof value) {
    case 'string':
      return notPlain.test(value) ? -1 : value.length + 2;
    case 'number':
      // Negative zero does not travel as such.
      return Number.isFinite(value) && value !== 0 ? primitiveBytes : -1;
    case 'boolean':
      return primitiveBytes;
    default:
      return value === null ? primitiveBytes : -1;
  }
}
