/** Live handles: the store contract, sharing, identity of rows, and errors. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import { liveQuery } from '../src/live-function.js';
import type { Engine, Table } from '../src/types.js';
import { sealed } from '../src/vault.js';
import { microtasks, options, rawError, World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
  tags?: string[];
  dueDate?: Date;
}

let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  engine = await openWith(world, options);
  tasks = engine.table<Task>('tasks');
  store({ id: 'a', title: 'A', tags: ['x'] }, { id: 'b', title: 'B', dueDate: '2026-01-01T00:00:00.000Z' });
});

afterEach(() => {
  vi.useRealTimers();
});

function store(...rows: object[]): void {
  world.apply('put', 'tasks', rows);
}

async function commit(...rows: object[]): Promise<void> {
  store(...rows);
  world.instance.emit();
  await microtasks();
}

const subscribed = () => world.instance.subscriptions.size;

describe('rows', () => {
  it('that_are_no_records_are_shown_as_they_are', async () => {
    const others = ['text', 5, new Blob(['x']), new Map([['k', 1]])];
    const handle = engine.table('beside').live();
    handle.subscribe(() => {});
    world.instance.emit(() => ({ rows: others as object[] }));
    await microtasks();
    expect([handle.status, handle.current]).toEqual(['ready', others]);
  });

  it('that_lead_back_to_themselves_are_shown', async () => {
    const handle = engine.table<{ id: number; self?: unknown }>('drafts').live();
    handle.subscribe(() => {});
    for (const text of ['one', 'two']) {
      const row = { id: 1, text, self: undefined as unknown };
      row.self = row;
      world.instance.emit(() => ({ rows: [row] }));
      await microtasks();
      expect([handle.status, handle.current?.[0]]).toMatchObject(['ready', { text }]);
    }
  });

  it('that_cannot_be_shown_end_in_an_error', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    const broken = Object.defineProperty({}, 'title', {
      enumerable: true,
      get() {
        throw new RangeError('broken');
      },
    });
    world.instance.emit(() => ({ rows: [broken] }));
    await microtasks();
    expect([handle.status, handle.error?.code]).toEqual(['error', 'internal']);
  });
});

describe('the store contract', () => {
  it('calls_back_at_once_with_the_present_value_and_then_with_each_change', async () => {
    const seen: unknown[] = [];
    const off = tasks.live().subscribe((rows) => seen.push(rows?.map((row) => row.title)));
    expect(seen).toEqual([undefined]);
    await commit();
    await commit({ id: 'a', title: 'A2' });
    off();
    await commit({ id: 'a', title: 'A3' });
    expect(seen).toEqual([undefined, ['A', 'B'], ['A2', 'B']]);
  });

  it('gives_a_late_subscriber_the_value_that_is_there', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    const seen: unknown[] = [];
    tasks.live().subscribe((rows) => seen.push(rows));
    expect(seen).toEqual([handle.current]);
    expect(handle.status).toBe('ready');
  });

  it('tells_loading_from_an_empty_result', async () => {
    world.tables.clear();
    const handle = tasks.live();
    handle.subscribe(() => {});
    expect([handle.status, handle.current]).toEqual(['loading', undefined]);
    await commit();
    expect([handle.status, handle.current]).toEqual(['ready', []]);
  });

  it('says_nothing_when_nothing_changed', async () => {
    const run = vi.fn();
    tasks.live().subscribe(run);
    await commit();
    await commit();
    expect(run).toHaveBeenCalledTimes(2);
  });

  it('stops_one_of_two_subscriptions_of_the_same_function', async () => {
    const run = vi.fn();
    const off = tasks.live().subscribe(run);
    tasks.live().subscribe(run);
    off();
    off();
    await commit();
    expect(run).toHaveBeenCalledTimes(3);
  });

  it('goes_on_when_a_subscriber_throws', async () => {
    const reported = vi.fn();
    vi.stubGlobal('reportError', reported);
    const seen: unknown[] = [];
    let first = true;
    tasks.live().subscribe(() => {
      if (!first) throw new Error('mine');
      first = false;
    });
    tasks.live().subscribe((rows) => seen.push(rows?.length));
    await commit();
    vi.unstubAllGlobals();
    expect(seen).toEqual([undefined, 2]);
    expect(reported).toHaveBeenCalledWith(new Error('mine'));
  });

  it('is_an_observable_for_those_who_ask', async () => {
    const handle = tasks.live() as unknown as Record<
      '@@observable',
      () => { subscribe(o: object): { unsubscribe(): void } }
    >;
    const seen: unknown[] = [];
    const { unsubscribe } = handle['@@observable']().subscribe({ next: (rows?: unknown[]) => seen.push(rows?.length) });
    await commit();
    unsubscribe();
    await commit({ id: 'c', title: 'C' });
    expect(seen).toEqual([undefined, 2]);
  });
});

describe('sealed rows', () => {
  const secret = { ...options, encryption: { fields: { tasks: ['title'] }, format: 2 as const } };

  beforeEach(async () => {
    world = new World();
    engine = await openWith(world, secret);
    tasks = engine.table<Task>('tasks');
  });

  /** Answers as the engine does, with the one object that stands for sealed values. */
  async function show(...rows: object[]): Promise<void> {
    world.instance.emit(() => ({ rows }));
    await microtasks();
  }

  it('are_locked_until_they_can_be_opened', async () => {
    const handle = tasks.live();
    const seen: string[] = [];
    handle.subscribe(() => seen.push(handle.status));
    await show({ id: 'a', title: sealed }, { id: 'b', title: 'B' });
    expect(handle.current?.map((row) => engine.isLocked(row))).toEqual([true, false]);
    expect(handle.error).toBeUndefined();
    await show({ id: 'a', title: 'A' });
    expect(seen).toEqual(['loading', 'locked', 'ready']);
  });

  it('give_filters_that_need_them_no_result_and_forget_what_they_let_through', async () => {
    const handle = tasks.filter((row) => row.title.startsWith('A')).live();
    handle.subscribe(() => {});
    await show({ id: 'a', title: 'A' });
    expect([handle.status, handle.current?.length]).toEqual(['ready', 1]);
    await show({ id: 'a', title: sealed });
    expect([handle.status, handle.current, handle.error]).toEqual(['locked', undefined, undefined]);
    await show({ id: 'a', title: 'A' });
    expect([handle.status, handle.current?.length]).toEqual(['ready', 1]);
  });
});

describe('sharing', () => {
  it('gives_equal_queries_one_raw_subscription', () => {
    const off = [
      tasks.where('title').equals('A'),
      tasks.where('title').equals('A'),
      tasks.where('title').equals('B'),
    ].map((query) => query.live().subscribe(() => {}));
    expect(subscribed()).toBe(2);
    for (const stop of off) stop();
  });

  it('does_not_take_a_number_for_its_text_or_a_date_for_its_iso_string', () => {
    const index = engine.table<{ id: string; n: string | number; at: string | Date }>('drafts');
    const keys = [
      index.where('n').equals(1),
      index.where('n').equals('1'),
      index.where('at').equals(new Date(0)),
      index.where('at').equals('1970-01-01T00:00:00.000Z'),
      index.where('n').above(Number.NEGATIVE_INFINITY),
      index.where('n').below(Number.POSITIVE_INFINITY),
      index.where('n').above(Number.POSITIVE_INFINITY),
    ].map((query) => query.live().key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('ends_a_while_after_the_last_reader_left', async () => {
    const first = tasks.live().subscribe(() => {});
    const second = tasks.live().subscribe(() => {});
    first();
    vi.advanceTimersByTime(60_000);
    expect(subscribed()).toBe(1);
    second();
    expect(subscribed()).toBe(1);
    vi.advanceTimersByTime(2_000);
    expect(subscribed()).toBe(0);
  });

  it('lives_on_when_a_reader_comes_back_in_time', async () => {
    tasks.live().subscribe(() => {})();
    await commit();
    vi.advanceTimersByTime(500);
    const seen: unknown[] = [];
    tasks.live().subscribe((rows) => seen.push(rows?.length));
    vi.advanceTimersByTime(60_000);
    expect(seen).toEqual([2]);
    expect(world.instance.callsOf('subscribe')).toHaveLength(1);
  });

  it('starts_with_a_look_and_never_shows_old_rows_after_it_ended', async () => {
    const handle = tasks.live();
    expect(subscribed()).toBe(0);
    expect(handle.current).toBeUndefined();
    expect(subscribed()).toBe(1);
    await commit();
    expect(handle.current).toHaveLength(2);
    vi.advanceTimersByTime(2_000);
    expect(subscribed()).toBe(0);
    expect([handle.current, handle.status]).toEqual([undefined, 'loading']);
  });
});

describe('one flush per commit', () => {
  it('shows_every_reader_all_queries_after_the_commit', async () => {
    const all = tasks.live();
    const limited = tasks.limit(9).live();
    const seen: string[] = [];
    const look = () => seen.push(`${all.current?.length}/${limited.current?.length}`);
    all.subscribe(look);
    limited.subscribe(look);
    seen.length = 0;
    await commit();
    await commit({ id: 'c', title: 'C' });
    expect(seen).toEqual(['2/2', '2/2', '3/3', '3/3']);
  });

  it('tells_a_reader_once_of_two_answers_in_one_turn', async () => {
    const run = vi.fn();
    tasks.live().subscribe(run);
    await commit();
    store({ id: 'c', title: 'C' });
    world.instance.emit();
    store({ id: 'd', title: 'D' });
    world.instance.emit();
    await microtasks();
    expect(run).toHaveBeenCalledTimes(3);
    expect(run.mock.lastCall?.[0]).toHaveLength(4);
  });
});

describe('rows', () => {
  it('are_frozen_and_have_dates', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    const [a, b] = handle.current ?? [];
    expect(Object.isFrozen(handle.current) && Object.isFrozen(a) && Object.isFrozen(a?.tags)).toBe(true);
    expect(b?.dueDate).toEqual(new Date('2026-01-01'));
  });

  it('stay_the_same_objects_where_nothing_changed', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    const before = handle.current ?? [];
    await commit({ id: 'a', title: 'A2', tags: ['x'] }, { id: 'c', title: 'C' });
    const after = handle.current ?? [];
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    await commit();
    expect(handle.current).toBe(after);
  });

  it('may_be_handed_out_again_by_the_engine_as_the_same_objects', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    const rows = [{ id: 'a', dueDate: '2026-01-01T00:00:00.000Z' }];
    world.instance.emit(() => ({ rows }));
    await microtasks();
    const [first] = handle.current ?? [];
    world.instance.emit(() => ({ rows: [...rows, { id: 'b' }] }));
    await microtasks();
    expect(handle.current?.[0]).toBe(first);
    expect(rows[0]?.dueDate).toBe('2026-01-01T00:00:00.000Z');
  });
});

describe('filters', () => {
  it('share_the_subscription_and_page_after_filtering', async () => {
    const handle = tasks
      .filter((task) => task.title !== 'A')
      .limit(1)
      .live();
    handle.subscribe(() => {});
    tasks.live().subscribe(() => {});
    await commit({ id: 'c', title: 'C' });
    expect(subscribed()).toBe(1);
    expect(handle.current?.map((row) => row.id)).toEqual(['b']);
  });

  it('say_nothing_when_what_they_let_through_stays_the_same', async () => {
    const run = vi.fn();
    tasks
      .filter((task) => task.title === 'A')
      .live()
      .subscribe(run);
    await commit();
    await commit({ id: 'c', title: 'C' });
    expect(run).toHaveBeenCalledTimes(2);
  });

  it('that_throw_make_an_error_and_no_noise', async () => {
    const handle = tasks
      .filter(() => {
        throw new Error('mine');
      })
      .live();
    handle.subscribe(() => {});
    await commit();
    expect(handle.status).toBe('error');
    expect(handle.error).toMatchObject({ code: 'filter_failed' });
  });
});

describe('errors', () => {
  it('are_shown_beside_the_last_rows_until_there_are_new_ones', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    world.instance.emit(() => ({ error: rawError('connection_lost', true) }));
    await microtasks();
    expect(handle).toMatchObject({ status: 'error', error: { code: 'connection_lost', retryable: true } });
    expect(handle.current).toHaveLength(2);
    await commit();
    expect(handle).toMatchObject({ status: 'ready', error: undefined });
  });

  it('of_the_subscription_itself_are_shown_too', async () => {
    world.before = () => {
      throw rawError('unknown_index');
    };
    const handle = tasks.orderBy('title').live();
    handle.subscribe(() => {});
    await microtasks();
    expect(handle.error).toMatchObject({ code: 'unknown_index' });
  });

  it.each<[string, () => Promise<void>]>([
    ['signs_out', () => engine.signOut()],
    ['signs_out_after_close', () => Promise.resolve(engine.close()).then(() => engine.signOut())],
    ['wipes', () => engine.signOut({ wipe: true })],
    ['destroys', () => engine.destroy()],
  ])('show_nothing_of_what_was_opened_once_the_app_%s', async (_, leave) => {
    const [handle, unread] = [tasks.toCollection().live(), tasks.limit(5).live()];
    const made = liveQuery(engine, async (q) => (await q.table<Task>('tasks').toArray()).map(({ title }) => title));
    const seen: unknown[] = [];
    for (const one of [handle, made]) one.subscribe((value) => seen.push(value));
    expect(unread.current).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10);
    await commit();
    expect([handle.current?.length, unread.current?.length, made.current]).toEqual([2, 2, ['A', 'B']]);
    const gone = leave();
    await vi.advanceTimersByTimeAsync(10);
    await gone;
    await microtasks();
    for (const one of [handle, unread, made]) {
      expect([one.current, one.status, one.error?.code]).toEqual([undefined, 'error', 'closed']);
    }
    expect(seen.slice(-2)).toEqual([undefined, undefined]);
  });

  it('are_closed_after_close_with_the_last_rows_kept', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    engine.close();
    expect(handle.current).toHaveLength(2);
    const late = tasks.limit(1).live();
    late.subscribe(() => {});
    await microtasks();
    expect(late.error).toMatchObject({ code: 'closed' });
  });
});

describe('whose rows', () => {
  it('never_shows_those_of_the_space_before', async () => {
    const handle = tasks.live();
    handle.subscribe(() => {});
    await commit();
    const switched = engine.setActiveSpace('s2');
    await switched;
    await microtasks();
    expect(handle).toMatchObject({ status: 'loading', current: undefined });
    await commit();
    expect(handle.status).toBe('ready');
    expect(subscribed()).toBe(1);
  });
});
