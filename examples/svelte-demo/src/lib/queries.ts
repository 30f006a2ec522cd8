// The queries of the list. Which index answers each of them is shown in the inspector.
import type { Query, Table } from '@mana/sync-engine';
import { addDays } from './dates.ts';
import type { Project, Task } from './task.ts';

/** `day`: in groups, by due date. */
export type Sort = 'day' | 'newest' | 'title';

/** What the list shows. */
export interface Shown {
  readonly sort: Sort;
  /** Only tasks of this project; empty for all. */
  readonly project: string;
  /** Only tasks with this text in title or notes. */
  readonly search: string;
  /** The present calendar day. */
  readonly today: string;
}

export interface Group {
  readonly title: string;
  readonly query: Query<Task>;
  /** Shows its tasks on demand. */
  readonly folded?: boolean;
}

/** Days begin with a digit: this comes after all of them. */
const afterAllDays = ':';

/** The groups of the list, each of them a query. */
export function groupsOf(tasks: Table<Task>, shown: Shown): Group[] {
  const done = { title: 'Done', folded: true, query: doneTasks(tasks, shown).orderBy('doneAt').reverse() };
  if (shown.sort === 'newest') {
    return [{ title: 'Newest first', query: openTasks(tasks, shown).orderBy(':id').reverse() }, done];
  }
  if (shown.sort === 'title') return [{ title: 'By title', query: openTasks(tasks, shown).orderBy('title') }, done];
  const tomorrow = addDays(shown.today, 1);
  return [
    { title: 'Today', query: dueBetween(tasks, shown, '0', tomorrow) },
    { title: 'Upcoming', query: dueBetween(tasks, shown, tomorrow, afterAllDays) },
    // Rows of equal keys come by id, and ids grow with time: the newest first.
    { title: 'Anytime', query: dueBetween(tasks, shown, '', '0').reverse() },
    done,
  ];
}

/** The open tasks among those that are shown. */
export function openTasks(tasks: Table<Task>, shown: Shown): Query<Task> {
  return inState(tasks, shown, 'open');
}

/** The ticked off tasks among those that are shown. */
export function doneTasks(tasks: Table<Task>, shown: Shown): Query<Task> {
  return inState(tasks, shown, 'done');
}

/** How many tasks there are, and how many of them are shown. */
export async function countAll(tasks: Table<Task>, shown: Shown) {
  const everything = { ...shown, project: '', search: '' };
  const [all, visible] = await Promise.all([countTasks(tasks, everything), countTasks(tasks, shown)]);
  return { all, visible };
}

async function countTasks(tasks: Table<Task>, shown: Shown): Promise<{ open: number; done: number }> {
  const [open, done] = await Promise.all([openTasks(tasks, shown).count(), doneTasks(tasks, shown).count()]);
  return { open, done };
}

/** The projects in use, by name, with the number of their open tasks: read from the keys of an index. */
export async function projectsOf(tasks: Table<Task>): Promise<Project[]> {
  const open = new Map<string, number>();
  await tasks.orderBy('[project+state]').eachKey<[string, string]>(([project, state]) => {
    if (project) open.set(project, (open.get(project) ?? 0) + (state === 'open' ? 1 : 0));
  });
  return [...open].map(([name, count]) => ({ name, open: count })).sort((a, b) => a.name.localeCompare(b.name));
}

function inState(tasks: Table<Task>, { project, search }: Shown, state: Task['state']): Query<Task> {
  return searched(tasks.where(project ? { state, project } : { state }), search);
}

/** Open tasks due from one day on and before the other, in this order. */
function dueBetween(tasks: Table<Task>, { project, search }: Shown, from: string, before: string): Query<Task> {
  const query = project
    ? tasks.where('[project+state+dueDate]').between([project, 'open', from], [project, 'open', before])
    : tasks.where('[state+dueDate]').between(['open', from], ['open', before]);
  return searched(query, search);
}

/** No index finds a text inside another one: a function looks at the rows that the index found. */
function searched(query: Query<Task>, search: string): Query<Task> {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return query;
  return query.filter(({ title, notes }) => `${title}\n${notes}`.toLowerCase().includes(wanted));
}

/** How each group is read, and how long that takes now, one after the other. */
export async function measured(groups: readonly Group[]) {
  const found = [];
  for (const { title, query } of groups) {
    const begun = performance.now();
    const rows = (await query.toArray()).length;
    const ms = performance.now() - begun;
    found.push({ title, rows, ms, explanation: await query.explain() });
  }
  return found;
}
