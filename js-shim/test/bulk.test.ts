/** Writes of several rows and by query: what reaches the engine, and what comes back. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine, Table } from '../src/types.js';
import { opened, rawError, type World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
  n?: number;
  dueDate?: Date | null;
}

let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  ({ world, engine, tasks } = await opened<Task>());
});

const writes = () => world.instance.callsOf('write').map(([kind, table, items]) => [kind, table, items]);
const inTransaction = () => world.instance.transactions.at(-1)?.writes;

describe('a write of several rows', () => {
  it('reaches_the_engine_as_one', async () => {
    const dueDate = new Date('2026-03-01T10:00:00Z');
    await tasks.bulkUpdate([
      { key: 'a', changes: { dueDate } },
      { key: 'b', changes: { title: undefined } },
    ]);
    expect(await tasks.upsert('c', { title: 'C' })).toBe(true);
    expect(await tasks.upsert('c', { title: 'D' })).toBe(false);
    await tasks.purge('c');
    await tasks.clear();
    await tasks.clear({ tombstones: true });
    expect(writes()).toEqual([
      [
        'update',
        'tasks',
        [
          ['a', { dueDate: '2026-03-01T10:00:00.000Z' }],
          ['b', { title: undefined }],
        ],
      ],
      ['upsert', 'tasks', [['c', { title: 'C' }]]],
      ['upsert', 'tasks', [['c', { title: 'D' }]]],
      ['purge', 'tasks', ['c']],
      ['clear', 'tasks', []],
      ['clearToTombstones', 'tasks', []],
    ]);
  });

  it('carries_keys_that_are_kept_beside_the_rows', async () => {
    const beside = engine.table('beside');
    await beside.add({ v: 1 }, 5);
    await beside.bulkPut([{ v: 2 }, { v: 3 }], ['k', 'l'], { allKeys: true });
    await expect(beside.bulkAdd([{ v: 2 }], ['k', 'l'])).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(writes()).toEqual([
      ['addAt', 'beside', [[5, { v: 1 }]]],
      [
        'putAt',
        'beside',
        [
          ['k', { v: 2 }],
          ['l', { v: 3 }],
        ],
      ],
    ]);
  });

  it('of_something_else_than_an_array_or_of_what_cannot_be_read_rejects', async () => {
    const throwing = {
      id: 'a',
      get title(): string {
        throw new RangeError('mine');
      },
    };
    const { proxy, revoke } = Proxy.revocable({ id: 'a', title: 'A' }, {});
    revoke();
    for (const wrong of [
      () => tasks.bulkAdd('ab' as never),
      () => tasks.bulkPut({ length: 1 } as never),
      () => tasks.bulkDelete(new Set(['a']) as never),
      () => tasks.bulkUpdate([null] as never),
      () => tasks.bulkGet(undefined as never),
      () => tasks.add(throwing),
      () => tasks.put(proxy),
    ]) {
      await expect(wrong()).rejects.toMatchObject({ name: 'ManaError', code: 'invalid_argument' });
    }
    expect(writes()).toEqual([]);
  });

  it('keeps_holes_in_arrays', async () => {
    const sparse = [1, 2, 3];
    delete sparse[1];
    await engine.table('drafts').add({ sparse });
    const [, , [row]] = world.instance.callsOf('write').at(-1) as [string, string, { sparse: number[] }[]];
    expect(row?.sparse.length).toBe(3);
    expect(1 in (row?.sparse ?? [])).toBe(false);
  });
});

describe('modify', () => {
  beforeEach(() =>
    tasks.bulkPut([
      { id: 'a', title: 'A', n: 1, dueDate: new Date('2026-01-01') },
      { id: 'b', title: 'B', n: 2 },
      { id: 'c', title: 'C', n: 3 },
    ]),
  );

  it('changes_the_rows_of_the_query_and_counts_them', async () => {
    expect(await tasks.filter((task) => (task.n ?? 0) > 1).modify({ title: 'X' })).toBe(2);
    expect(inTransaction()).toEqual([
      [
        'update',
        'tasks',
        [
          ['b', { title: 'X' }],
          ['c', { title: 'X' }],
        ],
      ],
    ]);
  });

  it('lets_a_function_change_replace_delete_or_leave_each_row', async () => {
    const keys: unknown[] = [];
    const count = await tasks.toCollection().modify(function (task, context) {
      keys.push(context.primKey);
      if (task.id === 'a') task.dueDate?.setUTCDate(2);
      else if (task.id === 'b') this.value = { id: 'b', title: 'replaced' };
      else delete context.value;
    });
    expect([count, keys]).toEqual([3, ['a', 'b', 'c']]);
    expect(inTransaction()).toEqual([
      [
        'updateFields',
        'tasks',
        [
          ['a', { dueDate: '2026-01-02T00:00:00.000Z' }],
          ['b', { title: 'replaced', n: undefined }],
        ],
      ],
      ['delete', 'tasks', ['c']],
    ]);
    expect(
      await tasks.toCollection().modify((task) => {
        task.title = 'never';
        return false;
      }),
    ).toBe(2);
    expect(inTransaction()).toEqual([]);
  });

  it('leaves_out_what_a_record_keeps_by_itself_when_another_object_takes_its_place', async () => {
    const kept = { spaceId: 's', userId: 'u', authorId: 'u', visibility: null };
    world.apply('put', 'tasks', [{ id: 'r', title: 'old', more: 1, ...kept }]);
    await tasks.toCollection().modify((row, context) => {
      if (row.id === 'r') context.value = { id: 'r', title: 'new' } as never;
    });
    expect(inTransaction()?.at(-1)).toEqual(['updateFields', 'tasks', [['r', { title: 'new', more: undefined }]]]);
    const wrong = tasks.toCollection().modify((_, context) => {
      context.value = 5 as never;
    });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('undoes_everything_when_the_function_throws_or_is_async', async () => {
    const mine = new RangeError('mine');
    const throwing = tasks.toCollection().modify(() => {
      throw mine;
    });
    await expect(throwing).rejects.toBe(mine);
    expect(world.instance.transactions.at(-1)?.state).toBe('aborted');
    const async = tasks.toCollection().modify(async () => Promise.reject(mine));
    await expect(async).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('saves_what_was_not_refused_and_then_names_the_rest', async () => {
    world.before = (_, call) => {
      const failures = [{ position: 0, key: 'b', code: 'read_only_space', message: 'theirs', details: null }];
      if (call === 'tx.write') throw rawError('bulk_failed', false, { failures, successCount: 0 });
    };
    const rows = await tasks.toCollection().primaryKeys();
    const refused = tasks.toCollection().modify((row) => {
      if (row.id !== 'b') return false;
      row.title = 'X';
      return true;
    });
    const failures = [{ position: rows.indexOf('b'), key: 'b', code: 'read_only_space' }];
    const details = { failures, successCount: rows.length - 1 };
    await expect(refused).rejects.toMatchObject({ code: 'bulk_failed', details });
    expect(world.instance.transactions.at(-1)?.state).toBe('committed');
  });

  it('saves_what_was_not_refused_where_keys_are_beside_the_rows_too', async () => {
    const failures = [{ position: 1, key: 2, code: 'already_exists', message: 'there', details: null }];
    world.before = (_, call) => {
      if (call === 'tx.write') throw rawError('bulk_failed', false, { failures, successCount: 1 });
    };
    const changes = { v: 1 };
    const refused = engine.table('beside').bulkUpdate([1, 2].map((key) => ({ key, changes })));
    await expect(refused).rejects.toMatchObject({ code: 'bulk_failed', details: { failures } });
    expect(world.instance.transactions.at(-1)?.state).toBe('committed');
  });

  it('deletes_what_it_is_to_delete_though_a_change_is_refused', async () => {
    const failures = [{ position: 0, key: 'b', code: 'read_only_space', message: 'theirs', details: null }];
    let calls = 0;
    world.before = (_, call) => {
      if (call === 'tx.write' && ++calls === 1) throw rawError('bulk_failed', false, { failures, successCount: 0 });
    };
    const refused = tasks.toCollection().modify((row, context) => {
      if (row.id === 'b') row.title = 'X';
      else delete context.value;
    });
    await expect(refused).rejects.toMatchObject({ code: 'bulk_failed' });
    expect(inTransaction()).toContainEqual(['delete', 'tasks', expect.arrayContaining(['a'])]);
    expect(world.instance.transactions.at(-1)?.state).toBe('committed');
  });

  it('joins_the_transaction_it_is_called_in', async () => {
    await engine.transaction('rw', 'tasks', async (tx) => {
      expect(await tx.table<Task>('tasks').where('id').equals('a').modify({ title: 'X' })).toBe(3);
      expect(await tx.table<Task>('tasks').toCollection().delete()).toBe(3);
    });
    expect(world.instance.transactions).toHaveLength(1);
    expect(inTransaction()?.map(([kind]) => kind)).toEqual(['update', 'delete']);
  });

  it('needs_keys_that_are_in_the_rows', async () => {
    await engine.table('beside').put({ id: 'x' }, 'x');
    const refused = engine.table('beside').toCollection().delete();
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument', details: { table: 'beside' } });
  });
});

describe('a transaction', () => {
  it('of_wrong_arguments_rejects_and_does_not_throw', async () => {
    const body = () => 1;
    for (const wrong of [
      () => engine.transaction('x' as never, 'tasks', body),
      () => engine.transaction('rw', undefined as never, body),
      () => engine.transaction('rw', [], body),
      () => engine.transaction('rw', [5] as never, body),
      () => engine.transaction('rw', 'tasks', undefined as never),
      () => engine.transaction('rw', 'tasks', (tx) => void tx.table(5 as never)),
    ]) {
      await expect(wrong()).rejects.toMatchObject({ name: 'ManaError', code: 'invalid_argument' });
    }
    expect(() => engine.table(undefined as never)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
