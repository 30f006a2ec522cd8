/** Writes: what reaches the engine, and what their promises do. */
import { proxy } from 'svelte/internal/client';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine, Table } from '../src/types.js';
import { opened, rawError, type World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
  tags?: string[];
  note?: string;
  dueDate?: Date | null;
}

let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  ({ world, engine, tasks } = await opened<Task>());
});

const lastWrite = () => world.instance.callsOf('write').at(-1);

describe('a write', () => {
  it('takes_proxies_and_dates', async () => {
    const due = new Date('2026-03-01T10:00:00Z');
    expect(await tasks.put(proxy({ id: 'a', title: 'A', tags: ['x'], dueDate: due }))).toBe('a');
    expect(lastWrite()).toEqual([
      'put',
      'tasks',
      [{ id: 'a', title: 'A', tags: ['x'], dueDate: '2026-03-01T10:00:00.000Z' }],
      null,
    ]);
  });

  it('takes_the_row_as_it_was_at_the_call', async () => {
    const row = { id: 'a', title: 'A', tags: ['x'] };
    const saved = tasks.add(row);
    row.title = 'changed';
    row.tags.push('y');
    await saved;
    expect(await tasks.get('a')).toEqual({ id: 'a', title: 'A', tags: ['x'] });
  });

  it('leaves_an_invalid_date_for_the_engine_to_refuse', async () => {
    await tasks.update('a', { dueDate: new Date('never') });
    expect(lastWrite()).toEqual(['update', 'tasks', [['a', { dueDate: expect.any(Date) }]], null]);
  });

  it('gives_what_dexie_gives', async () => {
    const rows = [
      { id: 'a', title: 'A' },
      { id: 'b', title: 'B' },
    ];
    expect(await tasks.bulkAdd(rows)).toBe('b');
    expect(await tasks.bulkPut(rows, { allKeys: true })).toEqual(['a', 'b']);
    expect(await tasks.bulkAdd([])).toBeUndefined();
    expect(await tasks.update('a', { title: 'C' })).toBe(1);
    expect(await tasks.delete('a')).toBeUndefined();
    expect(await tasks.bulkDelete(['b'])).toBeUndefined();
    expect(await tasks.restore('a')).toBeUndefined();
    expect(world.instance.callsOf('write').map(([kind]) => kind)).toEqual([
      'add',
      'put',
      'add',
      'update',
      'delete',
      'delete',
      'restore',
    ]);
  });

  it('of_something_that_is_no_row_rejects_and_does_not_throw', async () => {
    for (const row of [null, undefined, 5, 'x', []]) {
      await expect(tasks.put(row as never)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
    expect(world.instance.callsOf('write')).toEqual([]);
  });

  it('carries_the_actor_it_was_made_with', async () => {
    const helper = engine.as({ kind: 'ai', principalId: 'helper' });
    await helper.table('tasks').put({ id: 'a' });
    await helper.transaction('rw', 'tasks', (tx) => tx.table('tasks').put({ id: 'b' }));
    expect(lastWrite()?.[3]).toEqual({ kind: 'ai', principalId: 'helper' });
    expect(world.instance.callsOf('begin')).toEqual([['rw', ['tasks'], { kind: 'ai', principalId: 'helper' }]]);
  });

  it('rejects_with_the_engines_code', async () => {
    world.before = () => {
      throw rawError('unknown_table');
    };
    await expect(tasks.put({ title: 'A' })).rejects.toMatchObject({ name: 'ManaError', code: 'unknown_table' });
  });
});

describe('synced', () => {
  it('waits_for_the_ticket_and_only_when_asked', async () => {
    const write = tasks.put({ id: 'a', title: 'A' });
    await write;
    expect(world.instance.callsOf('whenSynced')).toEqual([]);
    await write.synced;
    await write.synced;
    expect(world.instance.callsOf('whenSynced')).toEqual([[7]]);
  });

  it('rejects_when_the_write_does_and_makes_no_noise', async () => {
    const unhandled: unknown[] = [];
    const hear = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', hear);
    world.before = () => {
      throw rawError('quota_exceeded');
    };
    await expect(tasks.put({ title: 'A' }).synced).rejects.toMatchObject({ code: 'quota_exceeded' });
    await new Promise((resolve) => setTimeout(resolve));
    process.off('unhandledRejection', hear);
    expect(unhandled).toEqual([]);
  });

  it('of_a_write_in_a_transaction_is_that_of_the_transaction', async () => {
    let inside: Promise<void> | undefined;
    const done = engine.transaction('rw', ['tasks'], async (tx) => {
      const write = tx.table('tasks').put({ id: 'a' });
      await write;
      inside = write.synced;
    });
    await done;
    await inside;
    await done.synced;
    expect(world.instance.callsOf('whenSynced')).toEqual([[9], [9]]);
  });
});

describe('update with a function', () => {
  beforeEach(() => tasks.put({ id: 'a', title: 'A', note: 'n', tags: ['x'], dueDate: new Date('2026-01-01') }));

  const written = () => world.instance.transactions.at(-1)?.writes;

  it('reads_and_writes_in_one_transaction', async () => {
    const changed = await tasks.update('a', (task) => {
      task.title += '!';
      task.tags?.push('y');
      task.dueDate?.setUTCDate(2);
      delete task.note;
    });
    expect(changed).toBe(1);
    const changes = { title: 'A!', tags: ['x', 'y'], dueDate: '2026-01-02T00:00:00.000Z', note: undefined };
    expect(written()).toStrictEqual([['update', 'tasks', [['a', changes]]]]);
  });

  it('takes_changes_as_the_answer', async () => {
    await tasks.update('a', (task) => ({ title: `${task.title}?` }));
    expect(written()).toEqual([['update', 'tasks', [['a', { title: 'A?' }]]]]);
  });

  it('writes_nothing_when_nothing_changed_or_there_is_no_row', async () => {
    expect(await tasks.update('a', () => undefined)).toBe(0);
    expect(await tasks.update('nobody', (task) => ({ title: `${task.title}!` }))).toBe(0);
    expect(written()).toEqual([]);
  });

  it('undoes_everything_when_the_function_throws', async () => {
    const edit = () => {
      throw new RangeError('mine');
    };
    await expect(tasks.update('a', edit)).rejects.toThrow(RangeError);
    expect(world.instance.transactions.at(-1)?.state).toBe('aborted');
  });

  it('refuses_async_functions', async () => {
    const edit = (async () => ({})) as never;
    await expect(tasks.update('a', edit)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('joins_the_transaction_it_is_called_in', async () => {
    await engine.transaction('rw', 'tasks', async (tx) => {
      await tx.table<Task>('tasks').update('a', (task) => ({ title: `${task.title}1` }));
      await tx.table<Task>('tasks').put({ id: 'b', title: 'B' });
    });
    expect(world.instance.transactions).toHaveLength(1);
    expect(written()).toHaveLength(2);
  });
});
