// A task as this version of the app keeps it.
import type { Visibility } from '@mana/sync-engine';

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly notes: string;
  /** A calendar day, `YYYY-MM-DD`, without time zone; empty when any time will do. Never null: that is no key of an index. */
  readonly dueDate: string;
  /** The name of the project; empty when the task belongs to none. */
  readonly project: string;
  readonly state: 'open' | 'done';
  /** When it was ticked off, as an ISO time. */
  readonly doneAt: string | null;
  /** Who made it, and who sees it: kept by the engine. */
  readonly authorId?: string;
  readonly visibility?: Visibility;
}

export type NewTask = Omit<Task, 'id'>;

export interface Project {
  readonly name: string;
  /** How many of its tasks are open. */
  readonly open: number;
}

/** The title, or what stands for it while it cannot be read. */
export function titleOf({ title }: Pick<Task, 'title'>): string {
  return typeof title === 'string' ? title : 'Locked task';
}

/** A task with nothing but a title. */
export function newTask(title: string): NewTask {
  return { title, notes: '', dueDate: '', project: '', state: 'open', doneAt: null };
}

/** What ticking a task off changes, or taking that back. */
export function ticked(done: boolean): Pick<Task, 'state' | 'doneAt'> {
  return done ? { state: 'done', doneAt: new Date().toISOString() } : { state: 'open', doneAt: null };
}

/** `1 task`, `1,000 tasks`. */
export function taskCount(count: number): string {
  return `${count.toLocaleString('en-GB')} ${count === 1 ? 'task' : 'tasks'}`;
}
