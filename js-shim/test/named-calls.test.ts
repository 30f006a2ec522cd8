/** A call that finds its transaction ended is named as the app made it, whatever it is made of. */
import { describe, expect, it } from 'vitest';
import { openWith } from '../src/engine.js';
import type { Table, Transaction } from '../src/types.js';
import { options, rawError, World } from './raw-double.js';

interface Task {
  id: string;
  title: string;
}

/** Every call on a table or a query that reaches the database, by its name. */
const calls: Record<string, (tasks: Table<Task, string>) => Promise<unknown>> = {
  get: (tasks) => tasks.get('a'),
  bulkGet: (tasks) => tasks.bulkGet(['a']),
  toArray: (tasks) => tasks.toArray(),
  first: (tasks) => tasks.toCollection().first(),
  last: (tasks) => tasks.toCollection().last(),
  count: (tasks) => tasks.filter(Boolean).count(),
  sortBy: (tasks) => tasks.toCollection().sortBy('title'),
  each: (tasks) => tasks.toCollection().each(() => {}),
  eachKey: (tasks) => tasks.toCollection().eachKey(() => {}),
  keys: (tasks) => tasks.toCollection().keys(),
  uniqueKeys: (tasks) => tasks.toCollection().uniqueKeys(),
  primaryKeys: (tasks) => tasks.toCollection().primaryKeys(),
  explain: (tasks) => tasks.toCollection().explain(),
  modify: (tasks) => tasks.filter(Boolean).modify({ title: 'b' }),
  delete: (tasks) => tasks.filter(Boolean).delete(),
  add: (tasks) => tasks.add({ id: 'a', title: 'a' }),
  put: (tasks) => tasks.put({ id: 'a', title: 'a' }),
  bulkAdd: (tasks) => tasks.bulkAdd([{ id: 'a', title: 'a' }]),
  bulkPut: (tasks) => tasks.bulkPut([{ id: 'a', title: 'a' }]),
  update: (tasks) => tasks.update('a', () => ({ title: 'b' })),
  bulkUpdate: (tasks) => tasks.bulkUpdate([{ key: 'a', changes: { title: 'b' } }]),
  upsert: (tasks) => tasks.upsert('a', { title: 'b' }),
  bulkDelete: (tasks) => tasks.bulkDelete(['a']),
  restore: (tasks) => tasks.restore('a'),
  purge: (tasks) => tasks.purge('a'),
  clear: (tasks) => tasks.clear(),
};

async function inTransaction(world: World, run: (tx: Transaction) => Promise<unknown>): Promise<unknown> {
  const engine = await openWith(world, options);
  return engine.transaction('rw', 'tasks', run).catch((error: unknown) => error);
}

describe.each(Object.keys(calls))('%s', (name) => {
  const call = calls[name] as (tasks: Table<Task, string>) => Promise<unknown>;
  const expected = { code: 'transaction_inactive', retryable: true, details: { call: `tasks.${name}` } };

  it('is_named_where_the_engine_finds_the_transaction_ended', async () => {
    const world = new World();
    world.before = (_, at) => {
      if (at.startsWith('tx.')) throw rawError('transaction_inactive', true, { call: at });
    };
    expect(await inTransaction(world, (tx) => call(tx.table('tasks')))).toMatchObject(expected);
  });

  it('is_named_where_the_transaction_is_known_to_be_over', async () => {
    let late: Table<Task, string> | undefined;
    await inTransaction(new World(), async (tx) => {
      late = tx.table('tasks');
    });
    await expect(call(late as Table<Task, string>)).rejects.toMatchObject(expected);
  });
});
