/** `liveQuery`: what its function reads is tracked, and it runs again when that changed. */
import { flushSync } from 'svelte';
import { toStore } from 'svelte/store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import { liveQuery } from '../src/live-function.js';
import { live } from '../src/svelte.svelte.js';
import type { Engine, Reader } from '../src/types.js';
import { sealed } from '../src/vault.js';
import { microtasks, options, rawError, World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
}

const encryption = { fields: { tasks: ['title'] }, format: 2 } as const;
let world: World;
let engine: Engine;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  engine = await openWith(world, options);
  world.apply('put', 'tasks', [
    { id: 'a', title: 'A' },
    { id: 'b', title: 'B' },
  ]);
});

afterEach(() => {
  vi.useRealTimers();
});

/** Lets the engine's answers come. */
const settle = () => vi.advanceTimersByTimeAsync(20);

async function commit(table: string, ...rows: object[]): Promise<void> {
  world.apply('put', table, rows);
  world.instance.host.event('change', [{ table }]);
  await settle();
}

const titles = async (q: Reader) => (await q.table<Task>('tasks').toArray()).map(({ title }) => title);

/** Follows a function, and keeps what it is told. */
function followed<V>(run: (q: Reader) => Promise<V> | V) {
  const handle = liveQuery(engine, run);
  const seen: unknown[] = [];
  const stop = handle.subscribe((value) => seen.push(value));
  return { handle, seen, stop };
}

describe('liveQuery', () => {
  it('keeps_the_store_contract_and_follows_the_tables_it_read', async () => {
    const run = vi.fn(titles);
    const { handle, seen, stop } = followed(run);
    expect([seen, handle.status]).toEqual([[undefined], 'loading']);
    await settle();
    await commit('tasks', { id: 'a', title: 'A2' });
    await commit('drafts', { id: 1 });
    expect(seen).toEqual([undefined, ['A', 'B'], ['A2', 'B']]);
    expect([handle.status, handle.error, run.mock.calls.length]).toEqual(['ready', undefined, 2]);
    stop();
  });

  it('tracks_what_is_read_after_awaits_and_by_every_reading_call', async () => {
    const calls: ((q: Reader) => Promise<unknown>)[] = [
      (q) => q.table('drafts').get(1),
      (q) => q.table('drafts').bulkGet([1]),
      (q) => q.table('drafts').count(),
      (q) => q.table('drafts').toCollection().primaryKeys(),
      (q) => q.table('drafts').where('id').above(0).first(),
      (q) =>
        q
          .table('drafts')
          .filter(() => true)
          .toArray(),
    ];
    for (const call of calls) {
      const run = vi.fn(async (q: Reader) => {
        await q.table('tasks').count();
        await new Promise((resolve) => setTimeout(resolve, 1));
        return call(q);
      });
      const { stop } = followed(run);
      await settle();
      await commit('drafts', { id: 1 });
      expect(run).toHaveBeenCalledTimes(2);
      stop();
      await vi.advanceTimersByTimeAsync(2_000);
    }
  });

  it('freezes_its_result_and_keeps_the_items_that_are_equal', async () => {
    const { handle, seen } = followed((q) => q.table<Task>('tasks').toArray());
    await settle();
    const before = handle.current;
    expect(Object.isFrozen(before) && Object.isFrozen(before?.[0])).toBe(true);
    await commit('tasks');
    expect(seen).toHaveLength(2);
    await commit('tasks', { id: 'b', title: 'B2' });
    expect([handle.current?.[0] === before?.[0], handle.current?.[1]?.title]).toEqual([true, 'B2']);
  });

  it('leaves_what_the_app_keeps_unfrozen', async () => {
    const mine = { rows: [] as unknown[] };
    const { handle } = followed(() => mine);
    await settle();
    expect([Object.isFrozen(handle.current), Object.isFrozen(mine), Object.isFrozen(mine.rows)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('runs_once_at_a_time_and_shows_what_was_overtaken_only_if_it_goes_on', async () => {
    let most = 0;
    let now = 0;
    const run = vi.fn(async (q: Reader) => {
      now += 1;
      most = Math.max(most, now);
      const found = await titles(q);
      await new Promise((resolve) => setTimeout(resolve, 10));
      now -= 1;
      return found;
    });
    const { seen } = followed(run);
    await vi.advanceTimersByTimeAsync(5);
    for (const title of ['A2', 'A3', 'A4']) {
      world.apply('put', 'tasks', [{ id: 'a', title }]);
      world.instance.host.event('change', [{ table: 'tasks' }]);
    }
    await settle();
    await settle();
    expect([most, run.mock.calls.length, seen]).toEqual([1, 2, [undefined, ['A4', 'B']]]);
  });

  it('shows_results_also_where_commits_never_end', async () => {
    let runs = 0;
    const { seen } = followed(async (q) => {
      const found = await titles(q);
      world.instance.host.event('change', [{ table: 'tasks' }]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      runs += 1;
      return [...found, `${runs}`];
    });
    await settle();
    await settle();
    expect(seen.length).toBeGreaterThan(3);
  });

  it('tells_errors_keeps_the_last_result_and_recovers', async () => {
    let wrong = false;
    const { handle, seen } = followed(async (q) => {
      const found = await titles(q);
      if (wrong) throw new RangeError('mine');
      return found;
    });
    await settle();
    wrong = true;
    await commit('tasks');
    expect([handle.status, handle.error?.code, handle.error?.cause]).toEqual([
      'error',
      'filter_failed',
      new RangeError('mine'),
    ]);
    expect(handle.current).toEqual(['A', 'B']);
    wrong = false;
    await commit('tasks');
    expect([handle.status, handle.error, seen.length]).toEqual(['ready', undefined, 4]);
    world.before = (_instance, call) => {
      if (call === 'read') throw rawError('connection_lost', true);
    };
    await commit('tasks');
    expect(handle.error?.code).toBe('connection_lost');
  });

  it('only_reads', async () => {
    const tries = [
      (q: Reader) => (q.table('tasks') as never as { add(row: object): Promise<unknown> }).add({ id: 'x' }),
      (q: Reader) =>
        q
          .table('tasks')
          .toCollection()
          .modify({ title: 'x' } as never),
      (q: Reader) => q.table('tasks').toCollection().delete(),
      (q: Reader) => q.table('tasks').toCollection().live() as never,
      (q: Reader) => q.table(5 as never).count(),
    ];
    for (const run of tries) {
      const { handle, stop } = followed(run);
      await settle();
      expect([handle.status, handle.error?.code]).toEqual(['error', 'invalid_argument']);
      stop();
    }
    expect(world.instance.callsOf('write')).toEqual([]);
  });

  it('runs_again_with_other_spaces_users_and_keys', async () => {
    const run = vi.fn(titles);
    const { seen } = followed(run);
    await settle();
    await engine.setActiveSpace('s2');
    expect(seen.at(-1)).toBeUndefined();
    await settle();
    world.instance.host.event('vault', { locked: false });
    await settle();
    world.instance.host.event('spaces', []);
    await settle();
    await Promise.all([engine.setSpaces([]), settle()]);
    await settle();
    expect([run.mock.calls.length, seen.at(-1)]).toEqual([5, ['A', 'B']]);
  });

  it('drops_what_it_made_of_opened_values_when_the_vault_is_locked', async () => {
    // As a function does that takes every title for a text.
    const { handle, seen } = followed(async (q) => (await titles(q)).map((title) => title.toLowerCase()));
    await settle();
    expect(seen.at(-1)).toEqual(['a', 'b']);
    world.apply('put', 'tasks', [{ id: 'a', title: sealed }]);
    world.instance.host.event('vault', { locked: true, outdated: false });
    await microtasks();
    expect([handle.status, handle.current, seen.at(-1)]).toEqual(['loading', undefined, undefined]);
    await settle();
    expect([handle.status, handle.current]).toEqual(['error', undefined]);
  });

  it('goes_on_with_the_next_instance', async () => {
    const { handle, seen } = followed(titles);
    await settle();
    const first = world.instance;
    expect(() => first.panic()).toThrow();
    world.apply('put', 'tasks', [{ id: 'a', title: 'A2' }]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.instance).not.toBe(first);
    expect([handle.status, seen.at(-1)]).toEqual(['ready', ['A2', 'B']]);
  });

  it('drops_what_it_made_of_opened_values_when_the_next_instance_begins_without_the_key', async () => {
    engine = await openWith(world, { ...options, encryption });
    const { handle, seen } = followed(async (q) => (await titles(q)).map((title) => title.toLowerCase()));
    await settle();
    expect(seen.at(-1)).toEqual(['a', 'b']);
    expect(() => world.instance.panic()).toThrow();
    world.apply('put', 'tasks', [{ id: 'a', title: sealed }]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([handle.status, handle.error?.code, handle.current, seen.at(-1)]).toEqual([
      'error',
      'filter_failed',
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['keeps', options, ['A', 'B']],
    ['drops', { ...options, encryption }, undefined],
  ])('gives_up_where_it_stops_the_engine_each_time_and_%s_what_it_had', async (_, opening, kept) => {
    engine = await openWith(world, opening);
    const { handle } = followed(titles);
    await settle();
    expect(handle.current).toEqual(['A', 'B']);
    const before = world.instances.length;
    world.before = (instance, call) => {
      if (call === 'read') instance.panic();
    };
    await commit('tasks');
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect([handle.status, handle.error?.code, handle.current]).toEqual(['error', 'engine_panicked', kept]);
    expect(world.instances.length - before).toBeLessThan(5);
  });

  it('ends_a_moment_after_its_last_reader_and_begins_anew', async () => {
    const run = vi.fn(titles);
    const { handle, stop } = followed(run);
    await settle();
    stop();
    await commit('tasks', { id: 'a', title: 'A2' });
    expect(run).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(2_000);
    await commit('tasks', { id: 'a', title: 'A3' });
    expect(run).toHaveBeenCalledTimes(2);
    expect([handle.status, handle.current]).toEqual(['loading', undefined]);
    await settle();
    expect(handle.current).toEqual(['A3', 'B']);
    await vi.advanceTimersByTimeAsync(2_000);
  });

  it('keeps_the_last_result_when_the_engine_is_closed', async () => {
    const { handle } = followed(titles);
    await settle();
    engine.close();
    await settle();
    expect([handle.status, handle.current]).toEqual(['ready', ['A', 'B']]);
    const later = followed(titles);
    await settle();
    expect(later.handle.error?.code).toBe('closed');
  });

  it('of_wrong_arguments_is_refused', () => {
    const refused = expect.objectContaining({ code: 'invalid_argument' });
    for (const wrong of [
      () => liveQuery(null as never, titles),
      () => liveQuery({} as never, titles),
      () => liveQuery(engine, undefined as never),
      () => liveQuery(engine, titles).subscribe(undefined as never),
    ]) {
      expect(wrong).toThrow(refused);
    }
  });

  it('is_reactive_in_svelte', async () => {
    const handle = liveQuery(engine, titles);
    const shown = live(() => handle);
    const seen: unknown[] = [];
    const stop = toStore(() => ({ value: shown.current, status: shown.status })).subscribe((now) => seen.push(now));
    await settle();
    flushSync();
    expect(seen.at(-1)).toEqual({ value: ['A', 'B'], status: 'ready' });
    await commit('tasks', { id: 'a', title: 'A2' });
    flushSync();
    expect(seen.at(-1)).toEqual({ value: ['A2', 'B'], status: 'ready' });
    stop();
  });
});
