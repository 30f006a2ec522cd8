/** The Svelte binding, with Svelte's own runtime: `fromStore` makes state. */
import { effect_root, render_effect } from 'svelte/internal/client';
import { fromStore, writable } from 'svelte/store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import { live, syncStatus } from '../src/svelte.svelte.js';
import type { Engine, Table } from '../src/types.js';
import { effects, ids, watched } from './in-effects.js';
import { options, rawError, World } from './raw-double.js';

interface Task {
  id: string;
  projectId: string;
}

let world: World;
let engine: Engine;
let tasks: Table<Task>;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  engine = await openWith(world, options);
  tasks = engine.table<Task>('tasks');
  world.apply('put', 'tasks', [
    { id: 'a', projectId: 'p1' },
    { id: 'b', projectId: 'p2' },
  ]);
});

afterEach(() => {
  vi.useRealTimers();
});

/** Answers all subscriptions, and lets effects run. */
async function commit(...rows: object[]): Promise<void> {
  world.apply('put', 'tasks', rows);
  world.instance.emit((query) => {
    const project = query.branches[0]?.keys[0];
    return { rows: world.rows(query).filter((row) => project === undefined || row.projectId === project) };
  });
  await effects();
}

describe('live in effects', () => {
  it('follows_the_result_in_every_getter', async () => {
    const handle = live(() => tasks.toCollection());
    const rows = watched(() => ids(handle.current));
    const status = watched(() => handle.status);
    await effects();
    await commit();
    await commit({ id: 'c', projectId: 'p1' });
    expect(rows.seen.at(-1)).toBe('a,b,c');
    expect(rows.seen.filter((value, at) => at === 0 || value !== rows.seen[at - 1])).toEqual([
      undefined,
      'a,b',
      'a,b,c',
    ]);
    expect(status.seen.at(-1)).toBe('ready');
    expect(world.instance.callsOf('subscribe')).toHaveLength(1);
    world.instance.emit(() => ({ error: rawError('connection_lost') }));
    await effects();
    expect(status.seen.at(-1)).toBe('error');
    expect(handle.error).toMatchObject({ code: 'connection_lost' });
  });

  it('follows_another_query_when_its_inputs_change', async () => {
    const project = writable('p1');
    const state = fromStore(project);
    const handle = live(() => tasks.where('projectId').equals(state.current));
    const { seen, stop } = watched(() => ids(handle.current));
    await effects();
    await commit();
    expect(seen.at(-1)).toBe('a');
    project.set('p2');
    await effects();
    await commit();
    expect(seen.at(-1)).toBe('b');
    await commit({ id: 'c', projectId: 'p2' });
    expect(seen.at(-1)).toBe('b,c');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.instance.subscriptions.size).toBe(1);
    stop();
    await effects();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.instance.subscriptions.size).toBe(0);
  });

  it('applies_the_filter_that_belongs_to_the_state_of_now', async () => {
    const wanted = writable('a');
    const state = fromStore(wanted);
    const handle = live(() => tasks.filter((task) => task.id === state.current));
    const { seen } = watched(() => ids(handle.current));
    await effects();
    await commit();
    wanted.set('c');
    await effects();
    expect(seen.at(-1)).toBe('');
    await commit({ id: 'c', projectId: 'p1' });
    expect(seen.at(-1)).toBe('c');
    expect(world.instance.callsOf('subscribe')).toHaveLength(1);
  });

  it('keeps_the_array_that_a_filter_gave_while_it_gives_the_same_rows', async () => {
    const handle = live(() => tasks.filter((task) => task.id === 'a'));
    watched(() => handle.current);
    await effects();
    await commit();
    const before = handle.current;
    await commit({ id: 'c', projectId: 'p1' });
    expect(handle.current).toBe(before);
  });

  it('waits_while_there_is_no_query', async () => {
    const ready = writable(false);
    const state = fromStore(ready);
    const handle = live(() => state.current && tasks.toCollection());
    const { seen } = watched(() => `${handle.status} ${ids(handle.current)}`);
    await effects();
    expect(seen).toEqual(['loading undefined']);
    ready.set(true);
    await effects();
    await commit();
    expect(seen.at(-1)).toBe('ready a,b');
  });

  it('leaves_no_subscription_after_a_thousand_readers_came_and_went', async () => {
    for (let i = 0; i < 1_000; i += 1) {
      const handle = live(() => tasks.where('projectId').equals(`p${i % 10}`));
      const { seen, stop } = watched(() => ids(handle.current));
      await effects();
      if (i < 10) await commit();
      expect(world.instance.subscriptions.size, `while reader ${i} reads`).toBe(Math.min(i + 1, 10));
      if (i < 10) expect(seen.at(-1)).toBe(['', 'a', 'b'][i] ?? '');
      stop();
    }
    expect(world.instance.callsOf('subscribe')).toHaveLength(10);
    await effects();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.instance.subscriptions.size).toBe(0);
    expect(world.instance.callsOf('unsubscribe')).toHaveLength(10);
  });
});

describe('live outside of effects', () => {
  it('gives_the_value_now', async () => {
    const handle = live(() => tasks.toCollection());
    expect(handle.current).toBeUndefined();
    await commit();
    expect(ids(handle.current)).toBe('a,b');
    expect(handle.status).toBe('ready');
  });

  it('is_a_store_that_follows_its_inputs', async () => {
    const project = writable('p1');
    const state = fromStore(project);
    const handle = live(() => tasks.where('projectId').equals(state.current));
    const seen: unknown[] = [];
    const off = handle.subscribe((rows) => seen.push(ids(rows)));
    expect(seen).toEqual([undefined]);
    await effects();
    await commit();
    project.set('p2');
    await effects();
    await commit();
    off();
    await commit({ id: 'c', projectId: 'p2' });
    expect(seen.filter((value) => value !== undefined)).toEqual(['a', 'b']);
  });
});

describe('a store of the handle', () => {
  it('follows_its_inputs_when_it_was_made_in_an_effect_that_runs_again', async () => {
    const state = fromStore(writable('a'));
    const handle = live(() => tasks.filter(({ id }) => id === state.current));
    const told: unknown[] = [];
    let off: (() => void) | undefined;
    // As `$handle` in a template that shows the state, too.
    const stop = effect_root(() => {
      render_effect(() => {
        off ??= handle.subscribe((rows) => told.push(ids(rows)));
        return void state.current;
      });
    });
    await effects();
    await commit();
    for (const wanted of ['b', 'a', 'b']) {
      state.current = wanted;
      await effects();
      expect(told.at(-1)).toBe(wanted);
    }
    stop();
    off?.();
  });

  it('has_told_of_a_commit_before_any_effect_runs', async () => {
    const handle = live(() => tasks.toCollection());
    let told: readonly Task[] | undefined;
    const { seen } = watched(() => [ids(handle.current), handle.current === told]);
    const off = handle.subscribe((rows) => {
      told = rows;
    });
    await effects();
    await commit();
    await commit({ id: 'c', projectId: 'p1' });
    expect(seen.slice(1)).toEqual([
      ['a,b', true],
      ['a,b,c', true],
    ]);
    off();
  });
});

describe('syncStatus', () => {
  it('follows_the_status', async () => {
    const status = syncStatus(engine);
    const { seen } = watched(() => status.current.state);
    await effects();
    world.instance.host.event('status', {
      state: 'syncing',
      pending: 1,
      lastSyncedAt: null,
      error: null,
      progress: [],
    });
    await effects();
    expect(seen.at(-1)).toBe('syncing');
    expect(seen[0]).toBe('local');
  });
});
