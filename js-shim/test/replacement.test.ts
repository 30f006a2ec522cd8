/** After a panic every promise settles, a fresh instance takes over, and live handles and sync go on. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import type { RawQuery } from '../src/raw.js';
import type { Engine } from '../src/types.js';
import { type InstanceDouble, microtasks, options, rawError, World } from './raw-double.js';

let world: World;
let engine: Engine;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  engine = await openWith(world, { ...options, sync: { url: 'http://localhost:1', getToken: () => 'jwt' } });
});

afterEach(() => {
  vi.useRealTimers();
});

const panicked = { name: 'ManaError', code: 'engine_panicked', retryable: true };
const tasks = () => engine.table('tasks');

/** Plants a panic into the next call of that name. */
function plant(name: string, times = 1): void {
  let left = times;
  world.before = (instance: InstanceDouble, call: string) => {
    if (call !== name || left === 0) return;
    left -= 1;
    instance.panic();
  };
}

async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await microtasks();
}

describe('a panic', () => {
  it('rejects_the_call_that_caused_it_and_all_that_are_in_flight', async () => {
    const inFlight = [tasks().toArray(), tasks().count(), tasks().put({ id: 'a' }), engine.sync.syncNow()];
    plant('write');
    const results = Promise.allSettled([...inFlight, tasks().put({ id: 'b' })]);
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: panicked });
    }
  });

  it('is_over_for_later_calls_which_a_fresh_instance_answers', async () => {
    plant('read');
    await expect(tasks().toArray()).rejects.toMatchObject(panicked);
    const count = tasks().count();
    await settle();
    expect(await count).toBe(0);
    expect(world.instances).toHaveLength(2);
  });

  it('comes_from_a_task_of_the_engine_as_well', async () => {
    const waiting = tasks().toArray();
    expect(() => world.instance.panic()).toThrow();
    await expect(waiting).rejects.toMatchObject(panicked);
    await settle();
    expect(world.instances).toHaveLength(2);
  });

  it('counts_as_one_when_a_trap_was_not_announced', async () => {
    world.before = (instance, call) => {
      if (call === 'read' && instance === world.instances[0]) throw new WebAssembly.RuntimeError('stack overflow');
    };
    await expect(tasks().toArray()).rejects.toMatchObject(panicked);
    await settle();
    expect(world.instances).toHaveLength(2);
  });

  it('ends_a_transaction_with_the_same_error', async () => {
    plant('tx.write');
    const run = engine.transaction('rw', 'tasks', async (tx) => {
      await tx.table('tasks').put({ id: 'a' });
    });
    await expect(run).rejects.toMatchObject(panicked);
  });

  it('leaves_no_ticket_of_the_dead_instance_to_the_new_one', async () => {
    const write = tasks().put({ id: 'a' });
    await settle(10);
    await write;
    expect(() => world.instance.panic()).toThrow();
    await settle();
    await expect(write.synced).rejects.toMatchObject(panicked);
    expect(world.instance.callsOf('whenSynced')).toEqual([]);
  });

  it('silences_the_dead_instance', async () => {
    const heard = vi.fn();
    engine.on('change', heard);
    expect(() => world.instance.panic()).toThrow();
    world.instances[0]?.host.event('change', []);
    await settle();
    expect(heard).not.toHaveBeenCalled();
  });
});

describe('the fresh instance', () => {
  it('has_the_same_module_and_what_the_app_told_the_last_one', async () => {
    await Promise.all([engine.setUser({ id: 'u2' }), engine.setActiveSpace('s2'), settle(10)]);
    await Promise.all([engine.setSpaces([{ id: 's2', type: 'family' }]), settle(10)]);
    expect(() => world.instance.panic()).toThrow();
    await settle();
    expect(world.instance.options).toEqual({
      ...world.instances[0]?.options,
      user: { id: 'u2', displayName: null },
      spaces: [{ id: 's2', type: 'family', role: null }],
      activeSpaceId: 's2',
    });
  });

  it('knows_nothing_of_the_spaces_of_one_who_signed_out', async () => {
    await Promise.all([engine.setSpaces([{ id: 's2', type: 'family' }]), engine.setActiveSpace('s2'), settle(10)]);
    await Promise.all([engine.setUser(null), settle(10)]);
    expect(() => world.instance.panic()).toThrow();
    await settle();
    expect(world.instance.options).toMatchObject({ user: null, spaces: [], activeSpaceId: null });
  });

  it('syncs_only_if_the_last_one_did', async () => {
    expect(() => world.instance.panic()).toThrow();
    await settle();
    expect(world.instance.callsOf('syncStart')).toHaveLength(1);
    engine.sync.stop();
    expect(() => world.instance.panic()).toThrow();
    engine.sync.stop();
    await settle(1_000);
    expect(world.instances).toHaveLength(3);
    expect(world.instance.callsOf('syncStart')).toHaveLength(0);
  });

  it('answers_live_handles_which_keep_their_rows_meanwhile', async () => {
    world.apply('put', 'tasks', [{ id: 'a' }]);
    const handle = tasks().live();
    const seen: unknown[] = [];
    handle.subscribe((rows) => seen.push(rows?.length));
    world.instance.emit();
    await settle();
    const stale = world.instance;
    expect(() => world.instance.panic()).toThrow();
    await settle();
    expect(handle).toMatchObject({ status: 'ready', current: [{ id: 'a' }] });
    world.apply('put', 'tasks', [{ id: 'b' }]);
    stale.emit(() => ({ rows: [] }));
    world.instance.emit();
    await settle();
    expect(seen).toEqual([undefined, 1, 2]);
  });

  it('is_not_waited_for_after_close', async () => {
    expect(() => world.instance.panic()).toThrow();
    engine.close();
    await settle(60_000);
    expect(world.instances).toHaveLength(1);
  });

  it('is_closed_when_it_comes_too_late', async () => {
    expect(() => world.instance.panic()).toThrow();
    const call = tasks().count();
    engine.close();
    await expect(call).rejects.toMatchObject({ code: 'closed' });
    expect(world.instance.callsOf('close')).toHaveLength(world.instances.length - 1);
  });
});

describe('an instance that is done for', () => {
  it('is_replaced_when_a_task_of_it_is_thrown_out_of', async () => {
    const [call] = [tasks().count()];
    world.trap(new RangeError('Maximum call stack size exceeded'));
    await expect(call).rejects.toMatchObject({ code: 'engine_panicked' });
    await settle();
    expect(world.instances).toHaveLength(2);
  });

  it('lets_go_of_what_it_holds_where_it_lost_its_database_alone', async () => {
    const [first] = world.instances;
    world.before = () => {
      throw rawError('connection_lost', true);
    };
    await expect(tasks().count()).rejects.toMatchObject({ code: 'connection_lost' });
    world.before = undefined;
    await settle();
    expect(world.instances).toHaveLength(2);
    expect(first?.callsOf('close')).toHaveLength(1);
  });
});

describe('repeated failures', () => {
  it('are_followed_by_longer_and_longer_waits_unless_a_call_comes', async () => {
    for (let i = 0; i < 6; i += 1) {
      expect(() => world.instance.panic()).toThrow();
      await Promise.all([tasks().count(), settle(10)]);
    }
    expect(world.instances).toHaveLength(7);
    expect(() => world.instance.panic()).toThrow();
    await settle(1_000);
    expect(world.instances).toHaveLength(7);
    await settle(60_000);
    expect(world.instances).toHaveLength(8);
    expect(() => world.instance.panic()).toThrow();
    await settle();
    expect(world.instances).toHaveLength(9);
  });

  it('of_opening_reject_the_callers_that_wait_and_are_tried_again', async () => {
    const handle = tasks().live();
    handle.subscribe(() => {});
    expect(() => world.instance.panic()).toThrow();
    world.opening = () => {
      throw rawError('connection_lost', true);
    };
    await expect(tasks().count()).rejects.toMatchObject({ code: 'connection_lost' });
    await microtasks();
    expect(handle.error).toMatchObject({ code: 'connection_lost' });
    world.opening = undefined;
    await settle(60_000);
    world.instance.emit();
    await settle();
    expect(handle).toMatchObject({ status: 'ready', error: undefined });
    expect(world.instances).toHaveLength(2);
  });

  it('of_one_live_query_do_not_take_the_engine_down', async () => {
    world.before = (instance, call, [query]) => {
      if (call === 'subscribe' && (query as RawQuery).branches[0]?.index === 'poison') instance.panic();
    };
    const handle = engine.table<{ id: string; poison: string }>('tasks').orderBy('poison').live();
    handle.subscribe(() => {});
    await settle(10 * 60_000);
    expect(handle.error).toMatchObject(panicked);
    const before = world.instances.length;
    const count = tasks().count();
    await settle(10 * 60_000);
    expect(await count).toBe(0);
    expect(world.instances.length).toBe(before);
  });
});
