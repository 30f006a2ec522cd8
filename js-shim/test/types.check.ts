/** Held against the compiler, never run: what the types allow and what they refuse. */
import type { eventNames } from '../src/events.js';
import {
  type Engine,
  type EngineEvents,
  type LiveHandle,
  liveQuery,
  ManaError,
  type ManaErrorCode,
  openEngine,
  type QuarantineCount,
  type Table,
  type TableOptions,
} from '../src/index.js';
import type { Glue, RawEngine, RawError } from '../src/raw.js';
import { live, type ReactiveHandle, syncStatus } from '../src/svelte.svelte.js';

interface Task {
  id: string;
  title: string;
  status: 'open' | 'done';
  estimate?: number;
  done: boolean;
  dueDate: Date | null;
  tags: string[];
  place: { city: string; at: { lat: number } } | null;
}

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function opening(): Promise<Engine> {
  // @ts-expect-error: a name is needed
  await openEngine({ schema: { version: 1, stores: {} } });
  // @ts-expect-error: sync needs a way to get tokens
  await openEngine({ name: 'm', schema: { version: 1, stores: {} }, sync: { url: 'http://x' } });
  // @ts-expect-error: there is no such scope
  const wrong: TableOptions = { scope: 'team' };
  void wrong;
  // @ts-expect-error: there is no such event
  await openEngine({ name: 'm', schema: { version: 1, stores: {} }, on: { exploded: () => {} } });
  return openEngine({
    name: 'mana',
    schema: { version: 1, stores: { tasks: 'id, projectId, [spaceId+dueDate]', drafts: '++id, taskId' } },
    apps: {
      todo: {
        sync: 'eager',
        schemaVersion: 2,
        migrations: { 2: { tasks: { rename: { title: 'name' }, drop: ['color'], defaults: { priority: 0 } } } },
        tables: { tasks: { dates: ['dueDate'] }, settings: { scope: 'user', syncName: 's' } },
      },
    },
    user: { id: 'u1', displayName: 'First user' },
    spaces: [{ id: 's1', type: 'personal' }],
    activeSpaceId: 's1',
    sync: { url: 'http://localhost:3050', getToken: async ({ reason }) => (reason === 'start' ? 'jwt' : null) },
    durability: 'strict',
    transports: ['stream', 'poll'],
    on: { blocked: () => {} },
  });
}

export async function reading(tasks: Table<Task>): Promise<void> {
  same<Awaited<ReturnType<typeof tasks.get>>, Task | undefined>(true);
  same<Awaited<ReturnType<typeof tasks.toArray>>, Task[]>(true);
  await tasks.where('status').equals('open').first();
  await tasks.where('dueDate').above(new Date()).limit(3).toArray();
  await tasks.where('dueDate').below('2026-01-01').count();
  await tasks.where('tags').equals('home').toArray();
  await tasks.where('place.city').startsWith('B').toArray();
  await tasks.where({ status: 'open', 'place.city': 'Bonn' }).sortBy('estimate');
  await tasks.get({ title: 'T' });
  await tasks
    .where(['status', 'estimate'])
    .anyOf([['open', 1]])
    .or('tags')
    .anyOf('home', 'work')
    .uniqueKeys();
  await tasks
    .where('estimate')
    .inAnyRange([[1, 2]], { includeUppers: true })
    .orderBy('dueDate')
    .explain();
  const ids = await tasks.primaryKeys();
  same<typeof ids, string[]>(true);
  // @ts-expect-error: there is no such field
  await tasks.where({ colour: 'red' }).toArray();
  // @ts-expect-error: there is no such field
  await tasks.where('status').equals('open').or('colour').equals('red').toArray();
  // @ts-expect-error: an estimate is a number
  await tasks.where('estimate').anyOf(['1']).toArray();
  // @ts-expect-error: there is no such field
  await tasks.toCollection().orderBy('colour').toArray();
  await tasks.where('place.at.lat').between(1, 2).toArray();
  await tasks.where('[spaceId+dueDate]').equals(['s1', new Date()]).toArray();
  await tasks.orderBy('_updatedAtIndex').reverse().toArray();
  await tasks.orderBy('[status+title]').acrossSpaces().includeDeleted().offset(1).toArray();
  const open = await tasks.filter((task): task is Task & { status: 'open' } => task.status === 'open').toArray();
  same<(typeof open)[number]['status'], 'open'>(true);
  // @ts-expect-error: there is no such field
  tasks.where('titel');
  // @ts-expect-error: there is no such path
  tasks.where('place.town');
  // @ts-expect-error: one part of the index is no field
  tasks.where('[spaceId+titel]');
  // @ts-expect-error: there is no such field
  tasks.orderBy('titel');
  // @ts-expect-error: one part of the index is no field
  tasks.orderBy('[status+nothing]');
  // @ts-expect-error: the field holds one of two texts
  tasks.where('status').equals('later');
  // @ts-expect-error: booleans are no keys
  tasks.where('done').equals(true);
  // @ts-expect-error: the index is on the items
  tasks.where('tags').equals(['home']);
  // @ts-expect-error: the key is a text
  await tasks.get(5);
  // @ts-expect-error: a filter answers with a boolean
  tasks.filter((task) => task.title);
}

export async function writing(tasks: Table<Task>): Promise<void> {
  const row = { title: 'A', status: 'open', done: false, dueDate: null, tags: [], place: null } as const;
  const write = tasks.add({ ...row, tags: [] });
  same<Awaited<typeof write>, string>(true);
  same<typeof write.synced, Promise<void>>(true);
  await tasks.put({ ...row, tags: [], id: 'a' });
  const keys = await tasks.bulkAdd([{ ...row, tags: [] }], { allKeys: true });
  same<typeof keys, string[]>(true);
  const last = await tasks.bulkPut([{ ...row, tags: [] }]);
  same<typeof last, string | undefined>(true);
  await tasks.update('a', { title: 'B', estimate: undefined, 'place.city': 'Bonn' });
  await tasks.update('a', (task) => {
    task.title += '!';
  });
  await tasks.update('a', (task) => ({ done: !task.done }));
  await tasks.update('a', { 'tags.0': 'first', 'tags.1': undefined });
  await tasks.bulkUpdate([{ key: 'a', changes: { title: 'B' } }]);
  same<Awaited<ReturnType<typeof tasks.upsert>>, boolean>(true);
  const beside = await tasks.bulkAdd([{ ...row, tags: [] }], ['a'], { allKeys: true });
  same<typeof beside, string[]>(true);
  const changed = await tasks.where('status').equals('open').modify({ 'place.city': 'Bonn' });
  same<typeof changed, number>(true);
  await tasks.toCollection().modify(function (task, context) {
    task.title += String(context.primKey);
    this.value = undefined;
  });
  await tasks.clear({ tombstones: true });
  // @ts-expect-error: there is no such field
  tasks.bulkUpdate([{ key: 'a', changes: { titel: 'B' } }]);
  // @ts-expect-error: there is no such field
  tasks.toCollection().modify({ titel: 'B' });
  // @ts-expect-error: the title is missing
  tasks.add({ status: 'open', done: false, dueDate: null, tags: [], place: null });
  // @ts-expect-error: there is no such field
  tasks.update('a', { titel: 'B' });
  // @ts-expect-error: the field holds a text
  tasks.update('a', { title: 5 });
  // @ts-expect-error: there is no such path
  tasks.update('a', { 'place.town': 'Bonn' });
  // @ts-expect-error: there is no such field
  tasks.update('a', () => ({ titel: 'B' }));
  // @ts-expect-error: a record keeps its id
  tasks.update('a', { id: 'b' });
}

export async function untyped(engine: Engine): Promise<void> {
  const things = engine.table('things');
  await things.put({ anything: 1 });
  await things.where('anything').equals('x').toArray();
  await things.where('[a+b]').equals([1, 2]).toArray();
  const drafts = engine.table<{ id?: number; taskId: string }>('drafts');
  same<Awaited<ReturnType<typeof drafts.add>>, number>(true);
}

export async function transactions(engine: Engine): Promise<void> {
  const run = engine.transaction('rw', ['tasks'], async (tx) => {
    await tx.table<Task>('tasks').update('a', { done: true });
    return tx.table<Task>('tasks').count();
  });
  same<Awaited<typeof run>, number>(true);
  await run.synced;
  await engine.as({ kind: 'ai', principalId: 'helper', model: 'm' }).table<Task>('tasks').delete('a');
  // @ts-expect-error: there is no such mode
  engine.transaction('w', 'tasks', () => 1);
  // @ts-expect-error: there is no such kind of actor
  engine.as({ kind: 'robot', principalId: 'x' });
  // @ts-expect-error: a transaction begins no other one
  engine.transaction('rw', 'tasks', (tx) => tx.transaction('rw', 'tasks', () => 1));
}

export function following(engine: Engine): void {
  const handle = engine.table<Task>('tasks').orderBy('title').live();
  same<typeof handle, LiveHandle<readonly Readonly<Task>[]>>(true);
  const off: () => void = handle.subscribe((rows) => rows?.map((row) => row.title));
  off();
  const reactive = live(() => engine.table<Task>('tasks').where('status').equals('open'));
  same<typeof reactive, ReactiveHandle<readonly Readonly<Task>[]>>(true);
  same<typeof reactive.isStale, boolean>(true);
  live<Task>(() => undefined, { initial: [] });
  live<Task>(() => undefined, { initial: () => [] });
  // @ts-expect-error: what is shown first is what the query finds
  live(() => engine.table<Task>('tasks').toCollection(), { initial: [{ id: 'a' }] });
  // @ts-expect-error: a query is given as a function, which is asked again
  live(engine.table<Task>('tasks').toCollection());
  // @ts-expect-error: only the handle of `live` has had other queries
  handle.isStale;
  syncStatus(engine).current.state satisfies string;
  syncStatus(engine).current.progress satisfies readonly { app: string; done: number; total: number | null }[];
  same<ReturnType<Engine['sync']['ensure']>, Promise<void>>(true);
  same<ReturnType<Engine['sync']['quarantine']>, Promise<readonly QuarantineCount[]>>(true);
  same<QuarantineCount['code'], EngineEvents['quarantine']['code']>(true);
  engine.on('change', (changes) => changes[0]?.table);
  engine.on('database-lost', ({ unsent }) => unsent.toFixed());
  // @ts-expect-error: rows of a handle are frozen
  if (handle.current?.[0]) handle.current[0].title = 'x';
  // @ts-expect-error: the result of a handle is frozen
  handle.current?.push();
  // @ts-expect-error: there is no such event
  engine.on('exploded', () => {});
  // @ts-expect-error: the status is read only
  engine.sync.status.current.pending = 5;
}

export function errors(error: unknown): ManaErrorCode | undefined {
  if (!(error instanceof ManaError)) return undefined;
  // @ts-expect-error: there is no such code
  if (error.code === 'no_such_code') return undefined;
  return error.retryable ? error.code : undefined;
}

// The border: what a store of the glue's values has to look like.
export function border(glue: Glue, raw: RawEngine, error: RawError): string {
  same<ReturnType<typeof glue.openEngine>, Promise<RawEngine>>(true);
  same<ReturnType<typeof raw.begin>['abort'], () => void>(true);
  return error.code;
}

export function closures(engine: Engine): void {
  const rows: LiveHandle<readonly Task[]> = liveQuery(engine, (q) =>
    q.table<Task>('tasks').where('status').equals('open').toArray(),
  );
  const both: LiveHandle<readonly [number, Task | undefined]> = liveQuery(engine, async (q) => {
    const tasks = q.table<Task>('tasks');
    return [await tasks.count(), await tasks.get('a')] as const;
  });
  const one: LiveHandle<readonly Task[]> = live(() => rows);
  // @ts-expect-error: it only reads
  liveQuery(engine, (q) => q.table<Task>('tasks').add({ id: 'a' }));
  // @ts-expect-error: a live query inside of one would never end
  liveQuery(engine, (q) => q.table<Task>('tasks').live());
  void both;
  void one;
}

type Words<Text> = Text extends `${infer Word} ${infer More}` ? Word | Words<More> : Text;
same<Words<typeof eventNames>, keyof EngineEvents>(true);
