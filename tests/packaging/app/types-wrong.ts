// What an app's TypeScript refuses, and what it must know more of than `any`. Never run.
import {
  type Archives,
  type Conflicts,
  type DeadLetters,
  type Engine,
  type EngineEvents,
  type EngineOptions,
  type LiveHandle,
  liveQuery,
  type ManaError,
  openEngine,
  type Query,
  type Reader,
  type Store,
  type Sync,
  type SyncStatus,
  type Table,
  type Transaction,
  type Vault,
  type WhereClause,
  type Write,
} from '@mana/sync-engine';
import { live, syncStatus, vaultState } from '@mana/sync-engine/svelte';

interface Task {
  id: string;
  title: string;
  done: boolean;
  dueDate: Date;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
/** What comes of a part: what a function answers, and what a promise holds. */
type Given<T> =
  IsAny<T> extends true
    ? T
    : T extends (...given: never) => infer Answer
      ? Given<Answer>
      : T extends PromiseLike<infer Value>
        ? Value
        : T;
type AnyIn<T> =
  IsAny<T> extends true
    ? 'all of it'
    : { [Part in keyof T]-?: IsAny<Given<T[Part]>> extends true ? Part : never }[keyof T];

/** Needs an argument, which it is not called with, where `T` or a part of it has become `any`. */
function known<T>(..._nothing: [AnyIn<T>] extends [never] ? [] : [AnyIn<T>]): void {}

known<Engine>();
known<EngineEvents>();
known<EngineOptions>();
known<Required<EngineOptions>>();
known<Table<Task>>();
known<Query<Task>>();
known<WhereClause<Task, string>>();
known<Write<string>>();
known<Transaction>();
known<Reader>();
known<Store<SyncStatus>>();
known<SyncStatus>();
known<LiveHandle<readonly Task[]>>();
known<Sync>();
known<Conflicts>();
known<DeadLetters>();
known<Vault>();
known<Archives>();
known<ManaError>();
const follow = (tasks: Table<Task>) => live(() => tasks.orderBy('title'));
type Followed = ReturnType<typeof follow>;
known<Followed>();
known<{
  opened: ReturnType<typeof openEngine>;
  options: Parameters<typeof openEngine>[0];
  followed: Followed;
  row: NonNullable<Followed['current']>[number];
  status: ReturnType<typeof syncStatus>;
  vault: ReturnType<typeof vaultState>;
  closure: ReturnType<typeof liveQuery<number>>;
}>();

export function withTheEngine(engine: Engine, tasks: Table<Task>): void {
  // @ts-expect-error: it has a name
  openEngine({ schema: { version: 1, stores: {} } });
  // @ts-expect-error: there is no such option
  openEngine({ name: 'wrong', schema: { version: 1, stores: {} }, stores: {} });
  // @ts-expect-error: sync needs a way to get tokens
  openEngine({ name: 'wrong', schema: { version: 1, stores: {} }, sync: { url: 'http://localhost' } });
  // @ts-expect-error: there is no such field
  tasks.where('titel');
  // @ts-expect-error: there is no such field
  tasks.orderBy('titel');
  // @ts-expect-error: booleans are no keys
  tasks.where('done').equals(true);
  // @ts-expect-error: there is no such field
  tasks.update('a', { titel: 'B' });
  // @ts-expect-error: fields are missing
  tasks.add({ title: 'A' });
  // @ts-expect-error: the key is a text
  tasks.get(5);
  // @ts-expect-error: there is no such event
  engine.on('exploded', () => {});
  // @ts-expect-error: there is no such way to import
  engine.archive.import(new Blob(), { mode: 'replace' });
  // @ts-expect-error: the engine's parts stay what they are
  engine.sync = {} as Sync;
  // @ts-expect-error: it only reads
  liveQuery(engine, (reader) => reader.table<Task>('tasks').delete('a'));
}

export function inComponents(engine: Engine, tasks: Table<Task>): void {
  // @ts-expect-error: a function that gives the query
  live(tasks.orderBy('title'));
  // @ts-expect-error: a function that gives a handle
  live(tasks.orderBy('title').live());
  // @ts-expect-error: the rows are not the query
  live(() => tasks.toArray());
  // @ts-expect-error: something is to be followed
  live();
  const handle = follow(tasks);
  // @ts-expect-error: nothing is there until it is read
  handle.current.length;
  // @ts-expect-error: the list is frozen
  handle.current?.push({ id: 'a', title: 'A', done: false, dueDate: new Date() });
  // @ts-expect-error: the engine makes the list
  follow(tasks).current = [];
  for (const task of handle.current ?? []) {
    // @ts-expect-error: rows are frozen
    task.title = 'B';
    // @ts-expect-error: there is no such field
    task.titel;
  }
  // @ts-expect-error: there is no such status
  if (handle.status === 'done') return;
  // @ts-expect-error: there is no such code
  if (handle.error?.code === 'no_such_code') return;
  // @ts-expect-error: the status of something
  syncStatus(null);
  // @ts-expect-error: the engine, not its status
  syncStatus(engine.sync.status);
  // @ts-expect-error: the engine changes its status
  syncStatus(engine).current.pending = 5;
  // @ts-expect-error: the state of something
  vaultState(undefined);
  // @ts-expect-error: there is no such state
  if (vaultState(engine).current === 'open') return;
}
