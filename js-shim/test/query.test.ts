/** Queries become one raw query each; what the engine cannot answer is done to its finished rows. */
import { proxy } from 'svelte/internal/client';
import { beforeEach, describe, expect, it } from 'vitest';
import { openWith } from '../src/engine.js';
import type { RawQuery } from '../src/raw.js';
import type { Engine, Table } from '../src/types.js';
import { options, World } from './raw-double.js';

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
  world = new World();
  engine = await openWith(world, options);
  tasks = engine.table<Task>('tasks');
});

const lastRead = (): RawQuery => world.instance.callsOf('read').at(-1)?.[0] as RawQuery;

function store(...rows: object[]): void {
  world.apply('put', 'tasks', rows);
}

describe('the raw query', () => {
  it('asks_for_everything_in_key_order_by_default', async () => {
    await tasks.toArray();
    expect(lastRead()).toEqual({
      table: 'tasks',
      index: null,
      range: null,
      reverse: false,
      limit: null,
      offset: 0,
      includeDeleted: false,
      acrossSpaces: false,
    });
  });

  it('carries_order_page_and_scope', async () => {
    await tasks.orderBy('projectId').reverse().limit(5).offset(10).includeDeleted().acrossSpaces().toArray();
    expect(lastRead()).toMatchObject({
      index: 'projectId',
      reverse: true,
      limit: 5,
      offset: 10,
      includeDeleted: true,
      acrossSpaces: true,
    });
  });

  it('has_the_bounds_of_each_condition', async () => {
    const where = tasks.where('projectId');
    const cases: [ReturnType<typeof where.equals>, object][] = [
      [
        where.equals('p'),
        { lower: 'p', upper: 'p', lowerOpen: false, upperOpen: false, hasLower: true, hasUpper: true },
      ],
      [where.above('p'), { lower: 'p', lowerOpen: true, hasLower: true, hasUpper: false }],
      [where.aboveOrEqual('p'), { lower: 'p', lowerOpen: false, hasLower: true, hasUpper: false }],
      [where.below('p'), { upper: 'p', upperOpen: true, hasLower: false, hasUpper: true }],
      [where.belowOrEqual('p'), { upper: 'p', upperOpen: false, hasLower: false, hasUpper: true }],
      [where.between('a', 'b'), { lower: 'a', upper: 'b', lowerOpen: false, upperOpen: true }],
      [where.between('a', 'b', false, true), { lowerOpen: true, upperOpen: false }],
      [where.startsWith('ab'), { lower: 'ab', upper: 'ab\uffff', lowerOpen: false, upperOpen: false }],
    ];
    for (const [query, range] of cases) {
      await query.toArray();
      expect(lastRead().range).toMatchObject(range);
    }
  });

  it('has_dates_of_date_fields_as_iso_strings_also_in_compound_keys', async () => {
    const due = new Date('2026-03-01T10:00:00Z');
    await tasks.where('dueDate').above(due).toArray();
    expect(lastRead().range?.lower).toBe('2026-03-01T10:00:00.000Z');
    await tasks.where('[spaceId+dueDate]').equals(['s1', due]).toArray();
    expect(lastRead().range?.lower).toEqual(['s1', '2026-03-01T10:00:00.000Z']);
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
      .limit(1)
      .offset(1)
      .filter((task) => !task.done);
    expect((await open.toArray()).map((task) => task.id)).toEqual(['c']);
    expect(lastRead()).toMatchObject({ limit: null, offset: 0 });
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

describe('rows', () => {
  it('come_with_dates_and_leave_what_is_no_date_alone', async () => {
    store({ id: 'a', title: 'A', dueDate: '2026-01-01T00:00:00.000Z' }, { id: 'b', title: 'B', dueDate: 'soon' });
    expect(await tasks.toArray()).toMatchObject([{ dueDate: new Date('2026-01-01') }, { dueDate: 'soon' }]);
    expect((await tasks.get('a'))?.dueDate).toEqual(new Date('2026-01-01'));
    expect(await tasks.bulkGet(['b', 'x'])).toEqual([{ id: 'b', title: 'B', dueDate: 'soon' }, undefined]);
  });
});
