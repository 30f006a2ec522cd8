/** The engine itself: options, sync, events, users, and its end. */
import { describe, expect, it, vi } from 'vitest';
import { openWith } from '../src/engine.js';
import { ManaError } from '../src/errors.js';
import type { EngineOptions } from '../src/types.js';
import { microtasks, options, rawError, World } from './raw-double.js';

async function opened(more: Partial<EngineOptions> = {}) {
  const world = new World();
  return { world, engine: await openWith(world, { ...options, ...more }) };
}

const sync = { url: 'http://localhost:1', getToken: async () => 'jwt' };

describe('opening', () => {
  it('gives_the_engine_every_option', async () => {
    const { world } = await opened({ activeSpaceId: 's1', spaces: [{ id: 's1', type: 'personal' }], sync });
    expect(world.instance.options).toEqual({
      name: 'test',
      schema: { ...options.schema, upgrades: [] },
      apps: {
        todo: {
          sync: 'eager',
          schemaVersion: 1,
          migrations: {},
          tables: { tasks: { dates: ['dueDate'], scope: 'space', syncName: null, aad: null } },
        },
      },
      user: { id: 'u1', displayName: null },
      spaces: [{ id: 's1', type: 'personal', role: null }],
      activeSpaceId: 's1',
      sync: { url: 'http://localhost:1' },
      durability: 'relaxed',
      transports: ['websocket', 'stream', 'poll'],
      encryption: null,
      vaultWaitMs: 2_000,
      vaultIdleLockMs: 0,
    });
  });

  it('hands_on_the_names_that_sealed_values_are_bound_to', async () => {
    const tables = (aad: unknown) => ({ apps: { todo: { tables: { tasks: { aad } } } } }) as Partial<EngineOptions>;
    const { world } = await opened(tables({ fields: { headline: 'title' } }));
    expect(world.instance.options.apps.todo?.tables.tasks?.aad).toEqual({ table: null, fields: { headline: 'title' } });
    for (const aad of ['tasks', { table: 5 }, { fields: { headline: 5 } }, { fields: ['title'] }]) {
      await expect(opened(tables(aad))).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('hands_on_the_steps_between_versions_whole', async () => {
    const apps = (migrations: unknown) =>
      ({ apps: { todo: { schemaVersion: 3, migrations, tables: { tasks: {} } } } }) as Partial<EngineOptions>;
    const { world } = await opened(apps({ 2: { tasks: { rename: { title: 'name' } } }, 3: {} }));
    expect(world.instance.options.apps.todo?.migrations).toEqual({
      2: { tasks: { rename: { title: 'name' }, drop: [], defaults: {} } },
      3: {},
    });
    // What the engine does not know it refuses; here nothing is left out.
    const unknown = await opened(apps({ 2: { tasks: { renames: { title: 'name' } } } }));
    expect(unknown.world.instance.options.apps.todo?.migrations[2]?.tasks).toHaveProperty('renames');
    for (const step of [5, { tasks: 5 }, { tasks: { drop: 'title' } }, { tasks: { rename: { title: 5 } } }]) {
      await expect(opened(apps({ 2: step }))).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('rejects_what_is_no_set_of_options', async () => {
    await expect(openWith(new World(), {} as EngineOptions)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('rejects_with_the_engines_code', async () => {
    const world = new World();
    world.opening = () => {
      throw rawError('schema_too_new');
    };
    await expect(openWith(world, options)).rejects.toMatchObject({ code: 'schema_too_new' });
  });

  it('hears_events_that_come_before_it_is_open', async () => {
    const world = new World();
    world.opening = (host) => host.event('blocked', null);
    const blocked = vi.fn();
    await openWith(world, { ...options, on: { blocked } });
    expect(blocked).toHaveBeenCalledOnce();
  });
});

describe('sync', () => {
  it('starts_with_the_engine_only_when_there_is_a_server', async () => {
    expect((await opened({ sync })).world.instance.callsOf('syncStart')).toHaveLength(1);
    expect((await opened()).world.instance.callsOf('syncStart')).toHaveLength(0);
  });

  it('shows_its_status_as_a_store', async () => {
    const { world, engine } = await opened({ sync });
    const seen: unknown[] = [];
    const off = engine.sync.status.subscribe((status) => seen.push(status.state));
    expect(seen).toEqual(['local']);
    world.instance.host.event('status', {
      state: 'syncing',
      pending: 2,
      lastSyncedAt: null,
      error: null,
      progress: [],
    });
    expect(seen).toEqual(['local']);
    await microtasks();
    off();
    world.instance.host.event('status', {
      state: 'synced',
      pending: 0,
      lastSyncedAt: 'now',
      error: null,
      progress: [],
    });
    await microtasks();
    expect(seen).toEqual(['local', 'syncing']);
    expect(engine.sync.status.current).toEqual({
      state: 'synced',
      pending: 0,
      lastSyncedAt: 'now',
      error: null,
      progress: [],
    });
  });

  it('is_stopped_started_and_asked', async () => {
    const { world, engine } = await opened({ sync });
    engine.sync.stop();
    engine.sync.start();
    await engine.sync.syncNow();
    await engine.sync.resync();
    const sum = { records: 1, hash: '0f'.repeat(32) };
    const table = { app: 'todo', table: 'tasks', local: sum, server: sum, equal: true };
    const tables = [
      { ...table, spaceId: null },
      { ...table, spaceId: 'family' },
    ];
    expect(await engine.sync.check()).toEqual({ state: 'equal', equal: true, tables, leftOut: 2 });
    expect(await engine.sync.unsentCount()).toBe(3);
    expect(world.instance.calls.map(([name]) => name)).toEqual([
      'syncStart',
      'syncStop',
      'syncStart',
      'syncNow',
      'resync',
      'check',
    ]);
  });

  it('goes_on_with_a_start_where_it_waits_for_the_app_and_nowhere_else', async () => {
    const { world, engine } = await opened({ sync });
    const waiting = ['needs-auth', 'update-required', 'billing-required'] as const;
    const going = ['local', 'syncing', 'synced', 'offline', 'error', 'storage-full'] as const;
    for (const state of [...going, ...waiting]) {
      const before = world.instance.callsOf('syncNow').length;
      world.instance.host.event('status', { state, pending: 1, lastSyncedAt: null, error: null, progress: [] });
      await microtasks();
      engine.sync.start();
      await microtasks();
      const asked = world.instance.callsOf('syncNow').length - before;
      expect([state, asked]).toEqual([state, waiting.some((one) => one === state) ? 1 : 0]);
    }
  });

  it('tells_that_an_update_is_needed_with_an_object_that_can_be_taken_apart', async () => {
    const { world, engine } = await opened({ sync });
    const told: unknown[] = [];
    engine.on('update-required', ({ waiting }) => told.push(waiting));
    world.instance.host.event('update-required', null);
    world.instance.host.event('update-required', { waiting: 2 });
    await microtasks();
    expect(told).toEqual([undefined, 2]);
  });

  it('asks_for_an_app_and_says_why_it_cannot', async () => {
    const { world, engine } = await opened({ sync, apps: { later: { sync: 'lazy', tables: { tasks: {} } } } });
    expect(await engine.sync.ensure('later')).toBeUndefined();
    expect(world.instance.callsOf('ensure')).toEqual([['later']]);
    const nothing = engine.sync.ensure('nothing');
    await expect(nothing).rejects.toBeInstanceOf(ManaError);
    await expect(nothing).rejects.toMatchObject({ code: 'unknown_app', details: { app: 'nothing' } });
    await expect(engine.sync.ensure(7 as never)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('lists_dead_letters_and_does_with_them_what_the_person_says', async () => {
    const { world, engine } = await opened({ sync });
    const { deadLetters } = engine.sync;
    const [letter] = await deadLetters.list();
    expect(letter).toMatchObject({ id: 'e', code: 'read_only', waiting: 1, retryable: true });
    expect(letter?.changes[0]).toMatchObject({ table: 'tasks', id: 'a', op: 'update', fields: ['title'] });
    expect(await deadLetters.retry('e')).toBeUndefined();
    expect(await deadLetters.discard('e')).toBeUndefined();
    expect(world.instance.callsOf('retryLetter')).toEqual([['e']]);
    expect(world.instance.callsOf('discardLetter')).toEqual([['e']]);
    for (const call of [deadLetters.retry, deadLetters.discard]) {
      const gone = call.call(deadLetters, 'gone');
      await expect(gone).rejects.toBeInstanceOf(ManaError);
      await expect(gone).rejects.toMatchObject({ code: 'not_found', details: { id: 'gone' } });
      await expect(call.call(deadLetters, 7 as never)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('counts_what_came_and_cannot_be_applied', async () => {
    const { engine } = await opened({ sync });
    expect(await engine.sync.quarantine()).toEqual([{ code: 'schema_too_new', count: 3, dropped: 1 }]);
    engine.close();
    await expect(async () => engine.sync.quarantine()).rejects.toMatchObject({ code: 'closed' });
  });

  it('goes_through_the_apps_own_network', async () => {
    const own = { fetch: vi.fn(), webSocket: class {} as unknown as typeof WebSocket };
    const { world } = await opened({ sync: { ...sync, ...own } });
    expect(world.instance.host).toMatchObject(own);
    expect((await opened({ sync })).world.instance.host).toMatchObject({ fetch: null, webSocket: null });
  });

  it('hears_of_news_over_the_transports_named_in_their_order', async () => {
    const { world } = await opened({ transports: ['stream', 'websocket'] });
    expect(world.instance.options.transports).toEqual(['stream', 'websocket']);
    for (const transports of ['stream', ['pigeon'], [5]]) {
      const wrong = opened({ transports } as unknown as Partial<EngineOptions>);
      await expect(wrong).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('asks_the_app_for_tokens_and_says_why', async () => {
    const getToken = vi.fn(() => 'jwt');
    const { world } = await opened({ sync: { url: 'http://localhost:1', getToken } });
    expect(await world.instance.host.getToken('expired')).toBe('jwt');
    expect(getToken).toHaveBeenCalledWith({ reason: 'expired' });
  });
});

describe('events', () => {
  it('reach_their_handlers_after_the_engines_own_work_is_done', async () => {
    const { world, engine } = await opened();
    const seen: unknown[] = [];
    const off = engine.on('change', (changes) => seen.push(changes));
    const detail = [{ table: 'tasks', ids: ['a'] }];
    world.instance.host.event('change', detail);
    expect(seen).toEqual([]);
    await microtasks();
    off();
    world.instance.host.event('change', detail);
    await microtasks();
    expect(seen).toEqual([detail]);
  });

  it('reach_the_other_handlers_when_one_throws', async () => {
    const { world, engine } = await opened();
    vi.stubGlobal('reportError', () => {});
    const heard = vi.fn();
    engine.on('closed', () => {
      throw new Error('mine');
    });
    engine.on('closed', heard);
    world.instance.host.event('closed', null);
    await microtasks();
    vi.unstubAllGlobals();
    expect(heard).toHaveBeenCalledOnce();
  });

  it('bring_conflicts_which_can_be_restored', async () => {
    const { world, engine } = await opened();
    const seen: object[] = [];
    const off = engine.conflicts.subscribe((conflict) => {
      seen.push(conflict);
      void engine.conflicts.restore(conflict);
    });
    world.instance.host.event('conflict', { table: 'tasks', id: 'a', field: 'title' });
    await microtasks();
    off();
    expect(seen).toHaveLength(1);
    expect(world.instance.callsOf('restoreConflict')).toEqual([[{ table: 'tasks', id: 'a', field: 'title' }]]);
  });
});

describe('users', () => {
  const foreign = (world: World) => {
    const first = world.instance;
    world.before = (instance, call) => {
      if (instance === first && call === 'setUser') throw rawError('other_user');
    };
  };

  it('of_another_database_are_refused', async () => {
    const { world, engine } = await opened();
    foreign(world);
    await expect(engine.setUser({ id: 'u2' })).rejects.toMatchObject({ code: 'other_user' });
    expect(world.instances).toHaveLength(1);
  });

  it('get_a_new_database_when_the_app_says_so', async () => {
    const { world, engine } = await opened({ sync, spaces: [{ id: 's1', type: 'personal' }] });
    foreign(world);
    await engine.setUser({ id: 'u2' }, { wipe: true });
    expect(world.instances[0]?.callsOf('destroy')).toEqual([[false]]);
    expect(world.instance.options).toMatchObject({ user: { id: 'u2' }, spaces: [], activeSpaceId: null });
    expect(world.instance.callsOf('syncStart')).toHaveLength(1);
    await engine.table('tasks').put({ id: 'a' });
  });

  it('have_spaces_that_are_shared_only_when_the_app_says_so', async () => {
    const { world, engine } = await opened();
    expect(world.instance.options.spaces).toBeNull();
    await engine.setSpaces([{ id: 's1', type: 'family' }], { confirmTypeChange: ['s1'] });
    await engine.setSpaces([]);
    const list = [{ id: 's1', type: 'family', role: null }];
    expect(world.instance.callsOf('setSpaces')).toEqual([
      [list, ['s1']],
      [[], []],
    ]);
  });

  it('say_who_sees_a_record_and_in_which_space_it_is', async () => {
    const { world, engine } = await opened();
    const set = engine.setVisibility('tasks', 'a', 'private');
    expect(await set).toBeUndefined();
    await set.synced;
    const moved = engine.moveToSpace('tasks', 'a', 's2');
    expect(await moved).toBe('a-there');
    await moved.synced;
    expect(world.instance.callsOf('setVisibility')).toEqual([['tasks', 'a', 'private']]);
    expect(world.instance.callsOf('moveToSpace')).toEqual([['tasks', 'a', 's2']]);
    expect(world.instance.callsOf('whenSynced')).toEqual([[7], [8]]);
    const wrong = [7, undefined, {}] as never[];
    for (const id of wrong) {
      await expect(engine.setVisibility('tasks', id, 'space')).rejects.toMatchObject({ code: 'invalid_argument' });
      await expect(engine.moveToSpace('tasks', 'a', id)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('take_over_what_a_guest_left_and_show_it_as_rows_are_shown', async () => {
    const { world, engine } = await opened();
    const { adopted, existing } = await engine.adoptGuestData();
    await engine.adoptGuestData({ dryRun: true });
    expect(adopted).toBe(2);
    expect(existing[0]?.row.dueDate).toBeInstanceOf(Date);
    expect(await engine.discardGuestData()).toBe(3);
    expect(world.instance.callsOf('adoptGuestData')).toEqual([[false], [true]]);
    await expect(engine.adoptGuestData(7 as never)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('leave_with_or_without_their_data', async () => {
    const kept = await opened();
    await kept.engine.signOut();
    expect(kept.world.instance.calls).toEqual([['lock'], ['close']]);
    const wiped = await opened();
    await wiped.engine.signOut({ wipe: true, force: true });
    expect(wiped.world.instance.calls).toEqual([['destroy', true]]);
    await expect(wiped.engine.table('tasks').count()).rejects.toMatchObject({ code: 'closed' });
  });

  it('stay_when_their_changes_are_unsent', async () => {
    const { world, engine } = await opened();
    world.before = (_, call) => {
      if (call === 'destroy') throw rawError('unsent_changes');
    };
    await expect(engine.signOut({ wipe: true })).rejects.toMatchObject({ code: 'unsent_changes' });
    expect(await engine.table('tasks').count()).toBe(0);
  });
});

describe('closing', () => {
  it('happens_once_and_later_calls_reject', async () => {
    const { world, engine } = await opened();
    engine.close();
    engine.close();
    expect(world.instance.callsOf('close')).toHaveLength(1);
    await expect(engine.table('tasks').put({ id: 'a' })).rejects.toMatchObject({ code: 'closed' });
    await expect(engine.transaction('r', 'tasks', () => 1)).rejects.toMatchObject({ code: 'closed' });
    await expect(engine.sync.syncNow()).rejects.toMatchObject({ code: 'closed' });
    expect(() => engine.sync.start()).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});

describe('the inspector', () => {
  it('asks_for_what_is_stored', async () => {
    const { world, engine } = await opened();
    await engine.inspector.record('tasks', 'a');
    await engine.inspector.log();
    expect(world.instance.calls).toEqual([
      ['inspect', 'tasks', 'a'],
      ['log', 100],
    ]);
  });
});
