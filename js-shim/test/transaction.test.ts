/** Transactions are saved when their body returns and undone when it throws. */
import { beforeEach, describe, expect, it } from 'vitest';
import { openWith } from '../src/engine.js';
import type { Engine, Table } from '../src/types.js';
import { options, rawError, World } from './raw-double.js';

let world: World;
let engine: Engine;

beforeEach(async () => {
  world = new World();
  engine = await openWith(world, options);
});

const last = () => world.instance.transactions.at(-1);

describe('a transaction', () => {
  it('begins_in_the_turn_of_the_call_and_runs_its_body_in_it', () => {
    let ran = false;
    void engine.transaction('r', 'tasks', () => {
      ran = true;
    });
    expect(ran).toBe(true);
    expect(world.instance.callsOf('begin')).toEqual([['r', ['tasks'], null]]);
  });

  it('commits_and_gives_the_bodys_value', async () => {
    const value = await engine.transaction('rw', ['tasks', 'drafts'], async (tx) => {
      await tx.table('tasks').add({ id: 'a' });
      await tx.table('drafts').add({ id: 1 });
      return (await tx.table('tasks').toArray()).length;
    });
    expect(value).toBe(0);
    expect(last()?.state).toBe('committed');
    expect(await engine.table('tasks').get('a')).toEqual({ id: 'a' });
  });

  it('aborts_when_the_body_throws_and_lets_that_error_through', async () => {
    const mine = new Error('mine');
    const run = engine.transaction('rw', 'tasks', async (tx) => {
      await tx.table('tasks').add({ id: 'a' });
      throw mine;
    });
    await expect(run).rejects.toBe(mine);
    expect(last()?.state).toBe('aborted');
    expect(await engine.table('tasks').get('a')).toBeUndefined();
  });

  it('aborts_on_demand_whatever_the_body_does_then', async () => {
    const returns = engine.transaction('rw', 'tasks', (tx) => tx.abort());
    await expect(returns).rejects.toMatchObject({ code: 'transaction_aborted' });
    const throws = engine.transaction('rw', 'tasks', (tx) => {
      tx.abort();
      throw new Error('mine');
    });
    await expect(throws).rejects.toMatchObject({ code: 'transaction_aborted', cause: new Error('mine') });
    const goesOn = engine.transaction('rw', 'tasks', async (tx) => {
      tx.abort();
      await tx.table('tasks').put({ id: 'a' });
    });
    await expect(goesOn).rejects.toMatchObject({ code: 'transaction_aborted' });
    expect(last()?.state).toBe('aborted');
  });

  it('waits_for_calls_that_the_body_did_not_wait_for', async () => {
    await engine.transaction('rw', 'tasks', (tx) => {
      void tx.table('tasks').put({ id: 'a' });
      void tx.table('tasks').update('a', (row) => ({ ...row }));
    });
    expect(await engine.table('tasks').get('a')).toEqual({ id: 'a' });
  });

  it('aborts_when_such_a_call_fails', async () => {
    world.before = (_, call) => {
      if (call === 'tx.write') throw rawError('value_not_syncable', false, { path: 'tasks.x' });
    };
    const run = engine.transaction('rw', 'tasks', (tx) => {
      tx.table('tasks')
        .put({ id: 'a' })
        .catch(() => {});
    });
    // The rejected call is over before the body returns, and was handled there: that is the body's decision.
    await expect(run).resolves.toBeUndefined();
    const unhandled = engine.transaction('rw', 'tasks', (tx) => tx.table('tasks').put({ id: 'a' }));
    await expect(unhandled).rejects.toMatchObject({ code: 'value_not_syncable', details: { path: 'tasks.x' } });
    expect(last()?.state).toBe('aborted');
  });

  it('takes_no_calls_after_its_end_and_names_them', async () => {
    let late: Table | undefined;
    await engine.transaction('rw', 'tasks', (tx) => {
      late = tx.table('tasks');
    });
    await expect(late?.put({ id: 'a' })).rejects.toMatchObject({
      code: 'transaction_inactive',
      details: { call: 'tasks.put' },
    });
    await expect(late?.toArray()).rejects.toMatchObject({ details: { call: 'tasks.toArray' } });
  });

  it('names_the_call_that_found_it_ended', async () => {
    world.before = (_, call) => {
      if (call === 'tx.write') throw rawError('transaction_inactive', true, { call: 'write' });
    };
    const run = engine.transaction('rw', 'tasks', (tx) => tx.table('tasks').bulkAdd([{ id: 'a' }]));
    const details = { call: 'tasks.bulkAdd' };
    await expect(run).rejects.toMatchObject({ code: 'transaction_inactive', retryable: true, details });
  });

  it('rejects_when_it_cannot_begin', async () => {
    world.before = () => {
      throw rawError('unknown_table');
    };
    await expect(engine.transaction('r', 'nothing', () => 1)).rejects.toMatchObject({ code: 'unknown_table' });
  });

  it('has_no_live_queries', async () => {
    const run = engine.transaction('r', 'tasks', (tx) => void tx.table('tasks').live());
    await expect(run).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
