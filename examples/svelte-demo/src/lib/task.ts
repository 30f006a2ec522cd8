// A task, the groups a task list shows, and the shorthand of the quick-add line.

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly notes: string;
  /** A calendar day, `YYYY-MM-DD`, without time zone; null when any time will do. */
  readonly dueDate: string | null;
  /** The name of the project; empty when the task belongs to none. */
  readonly project: string;
  readonly done: boolean;
  /** When it was ticked off, as an ISO time. */
  readonly doneAt: string | null;
}

export type NewTask = Omit<Task, 'id'>;

export interface TaskGroups {
  /** Due today or earlier, the oldest first. */
  readonly today: readonly Task[];
  readonly upcoming: readonly Task[];
  readonly anytime: readonly Task[];
  /** The last ticked off first. */
  readonly done: readonly Task[];
}

/** Sorts tasks into the groups of the list. `today` is a calendar day. */
export function groupTasks(tasks: readonly Task[], today: string): TaskGroups {
  const open = tasks.filter((task) => !task.done);
  const due = (task: Task) => task.dueDate ?? '';
  const byDue = (a: Task, b: Task) => compare(due(a), due(b)) || compare(a.id, b.id);
  return {
    today: open.filter((task) => task.dueDate && task.dueDate <= today).sort(byDue),
    upcoming: open.filter((task) => task.dueDate && task.dueDate > today).sort(byDue),
    anytime: open.filter((task) => !task.dueDate).sort((a, b) => compare(a.id, b.id)),
    done: tasks.filter((task) => task.done).sort((a, b) => compare(b.doneAt ?? '', a.doneAt ?? '')),
  };
}

export interface Project {
  readonly name: string;
  readonly open: number;
}

/** The projects in use, by name, with the number of their open tasks. */
export function projectsOf(tasks: readonly Task[]): Project[] {
  const open = new Map<string, number>();
  for (const { project, done } of tasks) {
    if (project) open.set(project, (open.get(project) ?? 0) + (done ? 0 : 1));
  }
  return [...open].map(([name, count]) => ({ name, open: count })).sort((a, b) => a.name.localeCompare(b.name));
}

/** A task with nothing but a title. */
export function newTask(title: string): NewTask {
  return { title, notes: '', dueDate: null, project: '', done: false, doneAt: null };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
