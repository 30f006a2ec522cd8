// Random choices that a seed repeats, for the test and for the page.

/** @param {number} seed a whole number */
export function randomOf(seed) {
  let state = seed >>> 0;
  /** A number from 0 to below 1 (mulberry32). */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const random = {
    next,
    /** A whole number from `least` to `most`. */
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    /** True once in so many times. */
    oneIn: (times) => next() * times < 1,
    pick: (list) => list[Math.floor(next() * list.length)],
    shuffled: (list) => {
      const items = [...list];
      for (let at = items.length - 1; at > 0; at -= 1) {
        const other = Math.floor(next() * (at + 1));
        [items[at], items[other]] = [items[other], items[at]];
      }
      return items;
    },
  };
  return random;
}
