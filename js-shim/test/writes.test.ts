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

  it('stores_what_is_no_record_as_it_is_or_refuses_it', async () => {
    const beside = engine.table<object>('beside');
    const others = [new Blob(['x']), new Map([['k', 1]]), new Date(5), new Uint8Array([1])];
    for (const other of others) {
      await beside.put(other, 'key');
      expect(lastWrite()?.[2]).toEqual([['key', other]]);
      await expect(tasks.put(other as never)).rejects.toMatchObject({ code: 'invalid_record' });
      await expect(engine.table('drafts').put(other as never)).rejects.toMatchObject({ code: 'invalid_record' });
      await expect(beside.update('key', other as never)).rejects.toMatchObject({ code: 'invalid_record' });
    }
    await expect(beside.put(Promise.resolve(), 'key')).rejects.toMatchObject({ code: 'invalid_record' });
  });

  it('never_makes_a_record_of_what_is_none', async () => {
    world.tables.set('beside', new Map([['blob', new Blob(['x']) as never]]));
    const beside = engine.table<{ n: number }>('beside');
    const calls = [
      beside.update('blob', { n: 1 }),
      beside.update('blob', (row) => ({ n: row.n })),
      beside.upsert('blob', { n: 1 }),
      beside.bulkUpdate([{ key: 'blob', changes: { n: 1 } }]),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'invalid_record' });
    expect(world.instance.transactions.flatMap(({ writes }) => writes)).toEqual([]);
    expect(await beside.update('other', { n: 1 })).toBe(1);
  });

  it('names_fields_that_a_function_changed_and_paths_that_it_answered', async () => {
    world.apply('put', 'tasks', [{ id: 'a', 'x.y': 1 }]);
    const anything = engine.table<Record<string, unknown>>('tasks');
    await anything.update('a', (row) => {
      row['x.y'] = 2;
      return { 'deep.er': 3 };
    });
    const written = world.instance.transactions.at(-1)?.writes;
    expect(written).toEqual([
      ['updateFields', 'tasks', [['a', { 'x.y': 2 }]]],
      ['update', 'tasks', [['a', { 'deep.er': 3 }]]],
    ]);
  });

  it('writes_a_new_key_into_the_object', async () => {
    const draft = { text: 'x' };
    world.before = (_instance, call, [, , items]) => {
      if (call === 'write') Object.assign((items as object[])[0] ?? {}, { id: 7 });
    };
    await engine.table('drafts').add(draft);
    expect(draft).toEqual({ text: 'x', id: 7 });
    expect(await engine.table('drafts').add(Object.freeze({ text: 'x' }))).toBe(7);
    class Draft {
      get id(): number {
        throw new RangeError('not yet');
      }
    }
    expect(await engine.table('drafts').add(new Draft() as never)).toBe(7);
  });

  it('spells_dates_in_one_way_and_refuses_those_that_would_be_out_of_order', async () => {
    const stored = async (dueDate: unknown) => {
      await tasks.put({ id: 'a', title: 'A', dueDate: dueDate as Date });
      const rows = (lastWrite()?.[2] ?? []) as { dueDate: unknown }[];
      return rows[0]?.dueDate;
    };
    expect(await stored('2026-03-01')).toBe('2026-03-01T00:00:00.000Z');
    expect(await stored('2026-03-01T02:00:00+02:00')).toBe('2026-03-01T00:00:00.000Z');
    expect([await stored('soon'), await stored(null)]).toEqual(['soon', null]);
    const far = { code: 'value_not_syncable', details: { path: 'dueDate' } };
    await expect(stored(new Date(8.64e15))).rejects.toMatchObject(far);
    await expect(stored('-000001-01-01T00:00:00Z')).rejects.toMatchObject(far);
    expect(() => tasks.where('dueDate').below(new Date(8.64e15))).toThrow(/years/);
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

  it('rejects_when_its_own_transaction_waits_for_it', async () => {
    const refused: unknown[] = [];
    const done = engine.transaction('rw', ['tasks'], async (tx) => {
      const write = tx.table('tasks').put({ id: 'a' });
      await write;
      setTimeout(() => world.instance.transactions.at(-1)?.abandon());
      await write.synced.catch((error) => refused.push(error));
      throw refused[0];
    });
    const details = { call: 'tasks.put().synced' };
    await expect(done).rejects.toMatchObject({ code: 'transaction_inactive', details });
    expect(refused).toHaveLength(1);
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
