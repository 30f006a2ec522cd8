/** Rows that hold the same count as the same; what cannot be compared cheaply counts as different. */
import { describe, expect, it } from 'vitest';
import { equal } from '../src/equality.js';

describe('equal', () => {
  it('compares_what_rows_usually_hold_by_content', () => {
    const row = () => {
      const stamp = { at: 'now', actor: { kind: 'user' } };
      return {
        id: 'a',
        n: 1,
        nan: Number.NaN,
        none: null,
        at: new Date(5),
        tags: ['x', { y: 1 }],
        meta: { a: stamp, b: stamp },
      };
    };
    expect(equal(row(), row())).toBe(true);
    for (const change of [{ n: 2 }, { at: new Date(6) }, { tags: ['x', { y: 2 }] }, { more: 1 }, { none: undefined }]) {
      expect(equal(row(), { ...row(), ...change })).toBe(false);
      expect(equal({ ...row(), ...change }, row())).toBe(false);
    }
  });

  it('sees_a_difference_behind_a_shared_object', () => {
    const stamp = { at: 1 };
    expect(equal({ a: stamp, b: stamp, c: stamp }, { a: { at: 1 }, b: { at: 1 }, c: { at: 2 } })).toBe(false);
    const other = { at: 1 };
    expect(equal({ a: stamp, b: stamp }, { a: other, b: other })).toBe(true);
  });

  it('tells_a_field_without_value_from_no_field', () => {
    expect(equal({ p: undefined, q: 1 }, { q: 1, r: undefined })).toBe(false);
    expect(equal({ o: undefined, p: undefined, q: 1 }, { o: undefined, q: 1, r: 2 })).toBe(false);
    expect(equal({ p: undefined }, {})).toBe(false);
  });

  it('takes_other_objects_for_different', () => {
    expect(equal(new Map(), new Map())).toBe(false);
    expect(equal(new Uint8Array(1), new Uint8Array(1))).toBe(false);
    expect(equal([], {})).toBe(false);
    expect(equal({}, null)).toBe(false);
  });
});
