/** What stands in for a result that has not come yet. */
import { fromStore, writable } from 'svelte/store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import { liveQuery } from '../src/live-function.js';
import { live, type ReactiveHandle } from '../src/svelte.svelte.js';
import type { Engine, Readable, Table } from '../src/types.js';
import { sealed } from '../src/vault.js';
import { effects, ids, watched } from './in-effects.js';
import { options, rawError, World } from './raw-double.js';

interface Task {
  id: string;
  title?: unknown;
  x?: string;
  y?: number;
}

const encryption = { fields: { tasks: ['title'] }, format: 2 } as const;
let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  const schema = { version: 1, stores: { ...options.schema.stores, places: '[x + y]' } };
  engine = await openWith(world, { ...options, schema, encryption });
  tasks = engine.table<Task>('tasks');
});

afterEach(() => {
  vi.useRealTimers();
});

const project = (id: string) => tasks.where('projectId' as 'id').equals(id);

/** Answers the subscriptions over one project, or (`''`) to a whole table, with rows of these ids. */
async function answer(key: string, found: string, title: unknown = 'opened'): Promise<void> {
  const rows = found.split(',').map((id) => ({ id, title }));
  const asked = [...world.instance.subscriptions.values()].filter(
    ({ query }) => (query.branches[0]?.keys[0] ?? '') === key,
  );
  expect(asked, `nobody asks for ${key || 'a whole table'}`).not.toEqual([]);
  for (const { callback } of asked) callback({ rows } as never, undefined);
  await effects();
}

/** Follows the first query in an effect; `to` changes over to another one. */
async function turning(first: Readable<Task> | false, initial?: readonly Task[]) {
  const wanted = writable<Readable<Task> | false>(first);
  const state = fromStore(wanted);
  const handle = live<Task>(() => state.current, initial && { initial });
  const { seen, stop } = watched(() => look(handle));
  await effects();
  const to = async (next: Readable<Task> | false) => {
    wanted.set(next);
    await effects();
    return seen.at(-1);
  };
  return { handle, seen, to, stop };
}

const look = (handle: ReactiveHandle<readonly Task[]>) =>
  `${ids(handle.current) ?? 'nothing'} ${handle.status}${handle.isStale ? ' stale' : ''}`;

describe('a query in place of another one', () => {
  it('shows_the_rows_of_the_former_one_until_it_has_answered', async () => {
    const { handle, seen, to } = await turning(project('p1'));
    await answer('p1', 'a,b');
    const before = handle.current;
    expect(await to(project('p2'))).toBe('a,b loading stale');
    expect(handle.current).toBe(before);
    await answer('p1', 'a,b,c');
    expect(seen.at(-1)).toBe('a,b,c loading stale');
    await answer('p2', 'd');
    expect(seen.at(-1)).toBe('d ready');
    await answer('p1', 'e');
    expect(seen.slice(-2)).not.toContain('e ready');
    expect(seen.filter((text) => text.startsWith('nothing'))).toEqual(['nothing loading']);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.instance.subscriptions.size).toBe(1);
  });

  it('shows_them_while_one_follows_another_and_again_its_own_at_once', async () => {
    const { to } = await turning(project('p1'));
    await answer('p1', 'a');
    await to(project('p2'));
    expect(await to(project('p3'))).toBe('a loading stale');
    expect(await to(project('p1'))).toBe('a ready');
    await answer('p2', 'b');
    expect(await to(project('p2'))).toBe('b ready');
  });

  it('keeps_the_rows_that_are_equal_the_same_objects', async () => {
    const { handle, to } = await turning(project('p1'));
    await answer('p1', 'a,b');
    const [a, b] = handle.current ?? [];
    await to(project('p2'));
    await answer('p2', 'b,c,a');
    expect(handle.current?.map(({ id }) => id)).toEqual(['b', 'c', 'a']);
    expect(handle.current?.[0]).toBe(b);
    expect(handle.current?.[2]).toBe(a);
    expect(Object.isFrozen(handle.current)).toBe(true);
    await answer('p2', 'b,c,a', 'changed');
    expect(handle.current?.map(({ title }) => title)).toEqual(['changed', 'changed', 'changed']);
    const changed = handle.current?.[0];
    await answer('p2', 'b,d', 'changed');
    expect(handle.current?.[0]).toBe(changed);
    await to(project('p3'));
    await answer('p3', 'b', 'changed by then');
    expect(handle.current).toEqual([{ id: 'b', title: 'changed by then' }]);
  });

  it.each<[string, () => Readable<Task> | false]>([
    ['another_table', () => engine.table<Task>('drafts')],
    ['all_spaces', () => project('p2').acrossSpaces()],
    ['deleted_rows_as_well', () => project('p2').includeDeleted()],
    ['one_record', () => tasks.where('id').equals('b')],
    ['nothing', () => false],
  ])('shows_nothing_when_it_asks_%s', async (_, next) => {
    const { to } = await turning(project('p1'));
    await answer('p1', 'a');
    expect(await to(next())).toBe('nothing loading');
    expect(await to(project('p3'))).toBe('nothing loading');
  });

  it('shows_nothing_of_all_spaces_where_it_asks_the_active_one', async () => {
    const { to } = await turning(project('p1').acrossSpaces());
    await answer('p1', 'a');
    expect(await to(project('p2').acrossSpaces())).toBe('nothing loading');
    await answer('p2', 'b');
    expect(await to(project('p2'))).toBe('nothing loading');
  });

  // A form made of it would keep the record, and save it over the next one.
  it.each<[string, (id: string) => Readable<Task>]>([
    ['equals', (id) => tasks.where('id').equals(id)],
    ['anyOf', (id) => tasks.where('id').anyOf(id, `${id}2`)],
    ['equalsIgnoreCase', (id) => tasks.where('id').equalsIgnoreCase(id)],
    [':id', (id) => tasks.where(':id').equals(id)],
    ['fields', (id) => tasks.where({ id })],
    ['or', (id) => project('p1').or('id').equals(id)],
    [
      'a compound key',
      (id) =>
        engine
          .table<Task>('places')
          .where('[x+y]' as 'id')
          .equals([id, 1] as never),
    ],
    ['fields of a compound key', (id) => engine.table<Task>('places').where({ x: id, y: 1 })],
  ])('shows_no_record_in_place_of_another_one_named_by_%s', async (_, record) => {
    const { to, handle } = await turning(record('a'));
    world.instance.emit(() => ({ rows: [{ id: 'a' }] }));
    await effects();
    expect(look(handle)).toBe('a ready');
    expect(await to(record('b'))).toBe('nothing loading');
    expect(await to(record('a'))).toBe('a ready');
    expect(await to(project('p1'))).toBe('nothing loading');
  });

  it.each<[string, (id: string) => Readable<Task>]>([
    ['keys', (id) => tasks.where('id').above(id)],
    ['a part of a compound key', (id) => engine.table<Task>('places').where({ x: id })],
    ['keys beside rows', (id) => engine.table<Task>('beside').where({ x: id })],
  ])('shows_the_rows_of_a_range_of_%s_meanwhile', async (_, range) => {
    const { to } = await turning(range('a'));
    world.instance.emit(() => ({ rows: [{ id: 'x' }] }));
    expect(await to(range('b'))).toBe('x loading stale');
  });

  it('shows_nothing_of_another_engine', async () => {
    const other = await openWith(new World(), { ...options, encryption });
    const { to } = await turning(project('p1'));
    await answer('p1', 'a');
    expect(await to(other.table<Task>('tasks'))).toBe('nothing loading');
  });

  it('shows_nothing_of_another_function', async () => {
    const [one, two] = [liveQuery(engine, () => 1), liveQuery(engine, () => 2)];
    const which = writable(one);
    const state = fromStore(which);
    const handle = live(() => state.current);
    const { seen } = watched(() => handle.current);
    await effects();
    which.set(two);
    await effects();
    expect(seen.filter((value, at) => value !== seen[at - 1])).toEqual([1, undefined, 2]);
  });

  it.each<[string, () => Promise<void>]>([
    ['space', () => engine.setActiveSpace('s2')],
    ['user', () => engine.setUser({ id: 'u2' })],
  ])('shows_nothing_of_another_%s', async (_, change) => {
    const { handle, seen, to } = await turning(project('p1'));
    await answer('p1', 'a');
    expect(await to(project('p2'))).toBe('a loading stale');
    const changed = change();
    await vi.advanceTimersByTimeAsync(10);
    await changed;
    await effects();
    expect(seen.at(-1)).toBe('nothing loading');
    // Neither when the former query answers first, for the other one.
    await answer('p1', 'x');
    expect(look(handle)).toBe('nothing loading');
    await answer('p2', 'y');
    expect(seen.at(-1)).toBe('y ready');
  });

  it('shows_nothing_more_once_the_vault_was_locked', async () => {
    const { seen, to } = await turning(project('p1'));
    await answer('p1', 'a');
    expect(await to(project('p2'))).toBe('a loading stale');
    await answer('p1', 'a', sealed);
    expect(seen.at(-1)).toBe('nothing loading');
    await answer('p1', 'a');
    expect(seen.at(-1)).toBe('nothing loading');
    await answer('p2', 'b', sealed);
    expect(seen.at(-1)).toBe('b locked');
    // What was found locked stays until the next answer, and no longer than it is locked.
    expect(await to(project('p3'))).toBe('b loading stale');
    await answer('p2', 'b');
    expect(seen.at(-1)).toBe('nothing loading');
  });

  it('shows_nothing_of_a_query_that_failed_nor_over_its_own_failure', async () => {
    const { seen, to } = await turning(project('p1'));
    await answer('p1', 'a');
    await to(project('p2'));
    world.instance.emit(({ branches }) => (branches[0]?.keys[0] === 'p2' ? { error: rawError('quota') } : {}));
    await effects();
    expect(seen.at(-1)).toBe('nothing error');
    expect(await to(project('p3'))).toBe('nothing loading');
  });
});

describe('an initial result', () => {
  const initial = [{ id: 'served' }];

  it('is_shown_until_the_first_answer', async () => {
    expect(live<Task>(() => false, { initial: () => initial }).current).toBe(initial);
    const { handle, seen, to } = await turning(false, initial);
    expect(handle.current).toBe(initial);
    expect(await to(project('p1'))).toBe('served loading stale');
    await answer('p1', 'a');
    expect(await to(false)).toBe('nothing loading');
    expect(seen).not.toContain('nothing ready');
  });

  it('is_not_shown_for_another_query', async () => {
    const { seen, to } = await turning(project('p1'), initial);
    expect(seen.at(-1)).toBe('served loading stale');
    expect(await to(project('p2'))).toBe('nothing loading');
  });

  it('is_told_to_a_store_and_gives_way_to_nothing_that_was_answered', async () => {
    const answered = liveQuery(engine, () => null);
    const handle = live<unknown>(() => answered as never, { initial: 'served' as never });
    const seen: unknown[] = [];
    const off = handle.subscribe((value) => seen.push(value));
    await effects();
    expect(seen).toEqual(['served', null]);
    expect(handle.isStale).toBe(false);
    off();
  });
});
