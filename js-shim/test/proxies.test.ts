/** Reactive proxies are taken off what is written, and nothing else is changed. */
import { proxy } from 'svelte/internal/client';
import { describe, expect, it } from 'vitest';
import { plain, plainRow } from '../src/proxies.js';

describe('a copy without proxies', () => {
  it('makes_a_state_proxy_storable', () => {
    const state = proxy({ title: 'Milk', tags: ['a', { deep: ['b'] }] });
    expect(() => structuredClone(state)).toThrow('could not be cloned');
    expect(structuredClone(plainRow(state))).toEqual({ title: 'Milk', tags: ['a', { deep: ['b'] }] });
  });

  it('finds_proxies_inside_plain_objects_maps_and_sets', () => {
    const inner = proxy({ n: 1 });
    const row = { list: [inner], map: new Map([['k', inner]]), set: new Set([inner]) };
    expect(() => structuredClone(row)).toThrow();
    const copy = structuredClone(plainRow(row)) as unknown as typeof row;
    expect(copy.list).toEqual([{ n: 1 }]);
    expect(copy.map.get('k')).toEqual({ n: 1 });
    expect([...copy.set]).toEqual([{ n: 1 }]);
  });

  it('hands_dates_blobs_and_binary_data_on_as_they_are', () => {
    const row = {
      at: new Date(0),
      blob: new Blob(['x']),
      bytes: new Uint8Array([1]),
      buffer: new ArrayBuffer(2),
      re: /x/,
    };
    const copy = plainRow(row);
    for (const [name, value] of Object.entries(row)) expect(copy[name], name).toBe(value);
  });

  it('leaves_instances_of_classes_inside_a_row_for_the_engine_to_judge', () => {
    class Money {
      cents = 5;
    }
    const price = new Money();
    expect(plainRow({ price }).price).toBe(price);
    expect(Object.getPrototypeOf(plainRow(price))).toBe(Object.prototype);
  });

  it('keeps_cycles_and_shared_objects', () => {
    const shared = { n: 1 };
    const row: Record<string, unknown> = { a: shared, b: shared };
    row.self = row;
    const copy = plainRow(row);
    expect(copy.a).toBe(copy.b);
    expect(copy.self).toBe(copy);
  });

  it('keeps_a_field_named_proto_as_a_field', () => {
    const copy = plainRow(JSON.parse('{"__proto__": {"admin": true}}'));
    expect(Object.keys(copy)).toEqual(['__proto__']);
    expect((copy as { admin?: boolean }).admin).toBeUndefined();
  });

  it('keeps_undefined_fields_because_they_remove_something', () => {
    expect(Object.keys(plainRow({ note: undefined }))).toEqual(['note']);
  });

  it('does_not_change_with_what_it_was_made_from', () => {
    const row = { list: [1] };
    const copy = plainRow(row);
    row.list.push(2);
    expect(copy.list).toEqual([1]);
  });

  it('leaves_everything_that_is_no_object', () => {
    for (const value of [1, 'a', true, null, undefined, 5n]) expect(plain(value)).toBe(value);
  });
});
