// What happened to the data of one device since it was opened: the engine's change events, the newest first.
import type { Engine, TableChange } from '@mana/sync-engine';
import type { Task } from './task.ts';

/** How many events are kept. */
const kept = 100;

export interface Happened {
  readonly number: number;
  readonly at: Date;
  /** By whose hand, and by which way it came. */
  readonly who: string;
  /** Such as `3 tasks`, or the title of the only one. */
  readonly what: string;
  readonly change: TableChange;
}

const hands: Record<TableChange['origin'], string> = {
  user: 'You',
  agent: 'An assistant',
  system: 'The app',
  migration: 'An upgrade',
  'server-replay': 'The server',
};

export class Activity {
  list = $state.raw<readonly Happened[]>([]);
  #next = 1;

  /** Notes the changes of an engine while it is open. */
  follow(engine: Engine): void {
    engine.on('change', (changes) => {
      // A draft is written with every word.
      for (const change of changes) if (change.table !== 'drafts') void this.#note(engine, change);
    });
  }

  clear(): void {
    this.list = [];
  }

  async #note(engine: Engine, change: TableChange): Promise<void> {
    const number = this.#next++;
    const at = new Date();
    const who = `${hands[change.origin]}${change.here || change.origin === 'server-replay' ? '' : ' in another tab'}`;
    const what = await described(engine, change);
    const later = this.list.filter((other) => other.number > number);
    const earlier = this.list.filter((other) => other.number < number);
    this.list = [...later, { number, at, who, what, change }, ...earlier].slice(0, kept);
  }
}

async function described(engine: Engine, { table, ids }: TableChange): Promise<string> {
  const [id] = ids;
  // Gone by now, or not readable: then its kind has to do.
  const only =
    ids.length === 1 && table === 'tasks'
      ? await engine
          .table<Task>('tasks')
          .get(id as string)
          .catch(() => undefined)
      : undefined;
  if (only) return typeof only.title === 'string' ? `“${only.title}”` : 'a locked task';
  if (table === 'settings') return 'the settings';
  return ids.length === 1 ? 'a task' : `${ids.length.toLocaleString('en-GB')} ${table}`;
}
