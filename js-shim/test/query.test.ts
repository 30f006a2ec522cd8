/** Queries become one raw query each; what the engine cannot answer is done to its finished rows. */
import { proxy } from 'svelte/internal/client';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RawBranch, RawQuery } from '../src/raw.js';
import type { Engine, Table } from '../src/types.js';
import { opened, type World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
  projectId?: string;
  done?: boolean;
  dueDate?: Date | string;
}

let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  ({ world, engine, tasks } = await opened<Task>());
});

const lastRead = (): RawQuery => world.instance.callsOf('read').at(-1)?.[0] as RawQuery;

const lastFind = (): RawQuery => world.instance.callsOf('find').at(-1)?.[0] as RawQuery;
const lastBranch = (): RawBranch => lastRead().branches.at(-1) as RawBranch;

function store(...rows: object[]): void {
  world.apply('put', 'tasks', rows);
}

describe('the raw query', () => {
  it('asks_for_everything_in_key_order_by_default', async () => {
    await tasks.toArray();
    expect(lastRead()).toEqual({
      table: 'tasks',
      branches: [],
      order: null,
      reverse: false,
      distinct: false,
      limit: null,
      offset: 0,
      includeDeleted: false,
      acrossSpaces: false,
      apart: false,
    });
  });

  it('carries_order_page_and_scope', async () => {
    await tasks.orderBy('projectId').reverse().offset(10).limit(5).includeDeleted().acrossSpaces().toArray();
    expect(lastBranch()).toMatchObject({ index: 'projectId', condition: 'all' });
    expect(lastRead()).toMatchObject({
      reverse: true,
      limit: 5,
      offset: 10,
      includeDeleted: true,
      acrossSpaces: true,
    });
  });

  it('has_the_name_and_keys_of_each_condition', async () => {
    const where = tasks.where('projectId');
    const cases: [ReturnType<typeof where.equals>, Partial<RawBranch>][] = [
      [where.equals('p'), { condition: 'equals', keys: ['p'] }],
      [where.notEqual('p'), { condition: 'noneOf', keys: ['p'] }],
      [where.above('p'), { condition: 'above', keys: ['p'] }],
      [where.aboveOrEqual('p'), { condition: 'aboveOrEqual', keys: ['p'] }],
      [where.below('p'), { condition: 'below', keys: ['p'] }],
      [where.belowOrEqual('p'), { condition: 'belowOrEqual', keys: ['p'] }],
      [where.between('a', 'b'), { condition: 'between', keys: ['a', 'b'], lower: true, upper: false }],
      [where.between('a', 'b', false, true), { lower: false, upper: true }],
      [
        where.inAnyRange([
          ['a', 'b'],
          ['c', 'd'],
        ]),
        { condition: 'inAnyRange', keys: ['a', 'b', 'c', 'd'], lower: true },
      ],
      [where.inAnyRange([], { includeLowers: false, includeUppers: true }), { keys: [], lower: false, upper: true }],
      [where.anyOf(['a', 'b']), { condition: 'anyOf', keys: ['a', 'b'] }],
      [where.anyOf('a', 'b'), { condition: 'anyOf', keys: ['a', 'b'] }],
      [where.noneOf('a'), { condition: 'noneOf', keys: ['a'] }],
      [where.startsWith('ab'), { condition: 'startsWith', keys: ['ab'] }],
      [where.startsWithAnyOf('a', 'b'), { condition: 'startsWith', keys: ['a', 'b'] }],
      [where.equalsIgnoreCase('A'), { condition: 'equalsIgnoreCase', keys: ['A'] }],
      [where.anyOfIgnoreCase(['A', 'B']), { condition: 'equalsIgnoreCase', keys: ['A', 'B'] }],
      [where.startsWithIgnoreCase('A'), { condition: 'startsWithIgnoreCase', keys: ['A'] }],
      [where.startsWithAnyOfIgnoreCase('A'), { condition: 'startsWithIgnoreCase', keys: ['A'] }],
    ];
    for (const [query, branch] of cases) {
      await query.toArray();
      expect(lastBranch()).toMatchObject({ index: 'projectId', fields: [], ...branch });
    }
    expect(() => where.inAnyRange(['ab'] as never)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('names_compound_indexes_by_their_fields_and_criteria_by_theirs', async () => {
    await tasks.where(['spaceId', 'dueDate']).equals(['s', 'd']).toArray();
    expect(lastBranch()).toMatchObject({ index: '[spaceId+dueDate]', condition: 'equals', keys: [['s', 'd']] });
    await tasks.where({ projectId: 'p', title: 't' }).toArray();
    expect(lastBranch()).toMatchObject({ index: null, fields: ['projectId', 'title'], keys: ['p', 't'] });
    await tasks.get({ projectId: 'p' });
    expect(lastBranch()).toMatchObject({ index: 'projectId', condition: 'equals', keys: ['p'] });
    expect(lastRead().limit).toBe(1);
    expect(() => tasks.where({})).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('looks_in_several_places_after_or', async () => {
    await tasks
      .where('projectId')
      .equals('p')
      .limit(2)
      .or('title')
      .startsWith('t')
      .orderBy('dueDate')
      .limit(3)
      .toArray();
    expect(lastRead()).toMatchObject({ order: 'dueDate', limit: 3, apart: false });
    expect(lastRead().branches).toMatchObject([
      { index: 'projectId', limit: 2 },
      { index: 'title', condition: 'startsWith', limit: null },
    ]);
  });

  it('has_dates_of_date_fields_as_iso_strings_also_in_compound_keys', async () => {
    const due = new Date('2026-03-01T10:00:00Z');
    await tasks.where('dueDate').above(due).toArray();
    expect(lastBranch().keys).toEqual(['2026-03-01T10:00:00.000Z']);
    await tasks
      .where('[spaceId+dueDate]')
      .anyOf([['s1', due]])
      .toArray();
    expect(lastBranch().keys).toEqual([['s1', '2026-03-01T10:00:00.000Z']]);
    await tasks.where({ dueDate: due, projectId: 'p' }).toArray();
    expect(lastBranch().keys).toEqual(['2026-03-01T10:00:00.000Z', 'p']);
  });

  it('has_no_proxies_in_its_keys', async () => {
    await tasks
      .where('[spaceId+dueDate]')
      .equals(proxy(['s1', 'x']))
      .toArray();
    expect(() => structuredClone(lastRead())).not.toThrow();
  });

  it('leaves_earlier_queries_as_they_were', async () => {
    const all = tasks.toCollection();
    all.limit(1).reverse();
    await all.toArray();
    expect(lastRead()).toMatchObject({ limit: null, reverse: false });
  });

  it('pages_within_pages_in_the_order_of_the_calls', async () => {
    await tasks.limit(5).offset(2).toArray();
    expect(lastRead()).toMatchObject({ offset: 2, limit: 3 });
    await tasks.offset(1).offset(2).limit(4).toArray();
    expect(lastRead()).toMatchObject({ offset: 3, limit: 4 });
  });

  it('takes_the_smaller_of_two_limits_and_no_limit_that_is_none', async () => {
    await tasks.limit(3).limit(9).toArray();
    expect(lastRead().limit).toBe(3);
    expect(() => tasks.limit(-1)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    expect(() => tasks.offset(0.5)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('filters', () => {
  beforeEach(() => {
    store(
      ...['a', 'b', 'c', 'd'].map((id, at) => ({
        id,
        title: id,
        done: at % 2 === 1,
        dueDate: '2026-01-01T00:00:00.000Z',
      })),
    );
  });

  it('run_before_offset_and_limit', async () => {
    const open = tasks
      .offset(1)
      .limit(1)
      .filter((task) => !task.done);
    expect((await open.toArray()).map((task) => task.id)).toEqual(['c']);
    expect(lastFind()).toMatchObject({ limit: null, offset: 0 });
  });

  it('see_finished_rows', async () => {
    const rows = await tasks.filter((task) => task.dueDate instanceof Date).toArray();
    expect(rows).toHaveLength(4);
  });

  it('count_what_they_let_through', async () => {
    expect(await tasks.filter((task) => task.done === true).count()).toBe(2);
    expect(await tasks.count()).toBe(4);
    expect(world.instance.callsOf('count')).toHaveLength(1);
  });

  it('find_the_first_and_combine', async () => {
    const query = tasks.filter((task) => task.done === true).and((task) => task.id > 'b');
    expect((await query.first())?.id).toBe('d');
    expect(await tasks.filter(() => false).first()).toBeUndefined();
  });

  it('let_their_own_errors_through', async () => {
    const broken = tasks.filter(() => {
      throw new RangeError('mine');
    });
    await expect(broken.toArray()).rejects.toThrow(RangeError);
  });
});

const ids = (rows: readonly Task[]): string => rows.map((row) => row.id).join('');

describe('lists that end, and lists of several places', () => {
  beforeEach(() => store(...['a', 'b', 'c', 'd'].map((id) => ({ id, title: id }))));

  it('end_at_a_row_with_or_without_it', async () => {
    expect(ids(await tasks.until((task) => task.id === 'c').toArray())).toBe('ab');
    expect(ids(await tasks.until((task) => task.id === 'c', true).toArray())).toBe('abc');
    const passing = tasks.filter((task) => task.id > 'a').until((task) => task.id !== 'b');
    expect(ids(await passing.toArray())).toBe('b');
  });

  it('unite_what_functions_leave_of_each_place', async () => {
    world.planted = { primaryKeys: ['a', 'b', 'c', 'd'], branches: [0, 0, 1, 1] };
    const query = tasks
      .where('projectId')
      .equals('p')
      .filter((task) => task.id !== 'a')
      .or('title')
      .above('b');
    expect(ids(await query.toArray())).toBe('bcd');
    expect(lastFind()).toMatchObject({ apart: true });
    world.planted = { primaryKeys: ['a', 'b', 'a', 'b'], branches: [0, 0, 1, 1] };
    expect(ids(await query.reverse().toArray())).toBe('cb');
    const handle = query.live();
    const seen: string[] = [];
    const stop = handle.subscribe((rows) => rows && seen.push(ids(rows)));
    world.instance.emit();
    await new Promise((resolve) => setTimeout(resolve));
    expect(seen).toEqual(['bc']);
    stop();
  });

  it('come_in_the_order_that_was_asked_for_when_they_were_united', async () => {
    // The index of the first place lists c before a; d has no key in the order.
    world.planted = { primaryKeys: ['a', 'b', 'c', 'd'], branches: [0, 0, 1, 1], ranks: [2, 0, 1, null] };
    const passing = tasks
      .where('projectId')
      .equals('p')
      .filter(() => true);
    const query = passing.or('title').above('b').orderBy('dueDate');
    expect(ids(await query.toArray())).toBe('bca');
    expect(ids(await query.reverse().limit(2).toArray())).toBe('ac');
    expect(lastFind()).toMatchObject({ order: 'dueDate', apart: true });
  });
});

describe('keys', () => {
  beforeEach(() => store(...['a', 'b', 'c'].map((id) => ({ id, title: id, done: id !== 'b' }))));

  it('come_without_rows_unless_functions_look_at_them', async () => {
    expect(await tasks.primaryKeys()).toEqual(['a', 'b', 'c']);
    expect(await tasks.filter((task) => task.done === true).primaryKeys()).toEqual(['a', 'c']);
    const wants = world.instance.callsOf('find').map(([, want]) => (want as { rows: boolean }).rows);
    expect(wants).toEqual([false, true]);
  });

  it('of_date_fields_are_dates', async () => {
    world.planted = { keys: ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'soon'] };
    expect(await tasks.orderBy('dueDate').uniqueKeys()).toEqual([new Date('2026-01-01'), 'soon']);
    world.planted = { keys: [['s', '2026-01-01T00:00:00.000Z']] };
    expect((await tasks.orderBy('[spaceId+dueDate]').limit(1).keys())[0]).toEqual(['s', new Date('2026-01-01')]);
  });

  it('of_several_places_are_those_of_their_own_index', async () => {
    const text = '2026-01-01T00:00:00.000Z';
    world.planted = { keys: [text, text, 'x'], branches: [0, 1, 0] };
    const query = tasks.where('title').equals(text).or('dueDate').above(new Date(0));
    expect(await query.keys()).toEqual([text, new Date(text), 'x']);
    expect(world.instance.callsOf('find').at(-1)?.[1]).toMatchObject({ branches: true, apart: false });
    const other = tasks.where('dueDate').above(new Date(0)).or('title').equals(text);
    expect(await other.keys()).toEqual([new Date(text), text, 'x']);
  });

  it('are_counted_by_limits_of_unique_ones', async () => {
    world.planted = { keys: ['x', 'x', 'y'] };
    expect(await tasks.orderBy('title').offset(1).limit(1).uniqueKeys()).toEqual(['y']);
  });

  it('stand_beside_each_row', async () => {
    const seen: unknown[] = [];
    await tasks.each((row, { key, primaryKey }) => seen.push([row.id, key, primaryKey]));
    await tasks.eachKey((key) => seen.push(key));
    expect(seen).toEqual([['a', 'a', 'a'], ['b', 'b', 'b'], ['c', 'c', 'c'], 'a', 'b', 'c']);
    const entries: unknown[] = [];
    await tasks.each((...both) => entries.push(both[1].key));
    await tasks.each((_row, entry = { key: 'none', primaryKey: 'none' }) => entries.push(entry.primaryKey));
    expect(entries).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });
});

describe('a page before or', () => {
  const found = ['1', '1', '2', '3', '9'];

  it('counts_rows_once_where_each_is_to_come_once', async () => {
    store(...found.map((id) => ({ id, title: id })));
    const query = tasks.where('projectId').anyOf('x', 'y').distinct().limit(3).or('title').equals('9');
    await query.toArray();
    expect(lastFind()).toMatchObject({ apart: true, limit: null, branches: [{ limit: null }, { limit: null }] });
    await tasks.where('projectId').anyOf('x', 'y').limit(3).or('title').equals('9').toArray();
    expect(lastRead()).toMatchObject({ apart: false, branches: [{ limit: 3 }, { limit: null }] });
  });
});

describe('sorting in memory', () => {
  it('orders_as_indexeddb_does_and_what_is_no_key_first', async () => {
    const values = [
      'b',
      2,
      [1],
      new Date(5),
      'a',
      null,
      1,
      new Uint8Array([2]),
      new Uint8Array([1, 9]),
      undefined,
      [0, 'x'],
    ];
    store(...values.map((at, place) => ({ id: String.fromCharCode(97 + place), title: '', at })));
    const rows = engine.table<Task & { at: unknown }>('tasks');
    expect(ids(await rows.sortBy('at'))).toBe('fjgbdeaihkc');
    expect((await rows.reverse().sortBy('at'))[0]?.id).toBe('c');
    expect(await rows.sortBy('at.deep' as 'at')).toHaveLength(values.length);
  });
});

describe('explanations', () => {
  it('name_the_functions_of_the_app', async () => {
    expect(await tasks.explain()).toMatchObject({ functions: 0, text: 'Reads.' });
    const explained = await tasks.filter(() => true).explain();
    expect(explained.functions).toBe(1);
    expect(explained.text).toContain("Then 1 of the app's functions run on the rows");
  });
});

describe('rows', () => {
  it('come_with_dates_and_leave_what_is_no_date_alone', async () => {
    store({ id: 'a', title: 'A', dueDate: '2026-01-01T00:00:00.000Z' }, { id: 'b', title: 'B', dueDate: 'soon' });
    expect(await tasks.toArray()).toMatchObject([{ dueDate: new Date('2026-01-01') }, { dueDate: 'soon' }]);
    expect((await tasks.get('a'))?.dueDate).toEqual(new Date('2026-01-01'));
    expect(await tasks.bulkGet(['b', 'x'])).toEqual([{ id: 'b', title: 'B', dueDate: 'soon' }, undefined]);
  });
});
