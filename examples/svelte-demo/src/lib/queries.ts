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
  /** Whether the family's list is shown, which is the engine's active space then. */
  readonly family: boolean;
}

export interface Group {
  readonly title: string;
  readonly query: Query<Task>;
  /** Shows its tasks on demand. */
  readonly folded?: boolean;
  /** In the order of the titles, which only this device can read: all rows come, and are put in order here. */
  readonly byTitle?: boolean;
}

/** Days begin with a digit: this comes after all of them. */
const afterAllDays = ':';

/** The groups of the list, each of them a query. */
export function groupsOf(tasks: Table<Task>, shown: Shown): Group[] {
  const done = { title: 'Done', folded: true, query: doneTasks(tasks, shown).orderBy('doneAt').reverse() };
  if (shown.sort === 'newest') {
    return [{ title: 'Newest first', query: openTasks(tasks, shown).orderBy(':id').reverse() }, done];
  }
  if (shown.sort === 'title') return [{ title: 'By title', query: openTasks(tasks, shown), byTitle: true }, done];
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

/** All that the list says beside its rows. */
export interface Overview {
  /** The groups, with the numbers of their tasks. */
  readonly groups: readonly (Group & { readonly count: number })[];
  /** The projects in use, by name. */
  readonly projects: readonly Project[];
  /** How many tasks there are, whatever is shown of them. */
  readonly open: number;
  readonly done: number;
}

/** Counts the groups, the projects and everything. */
export async function overviewOf(tasks: Table<Task>, shown: Shown): Promise<Overview> {
  const groups = groupsOf(tasks, shown);
  const [counts, states] = await Promise.all([
    Promise.all(groups.map(({ query }) => query.count())),
    // Keys tell enough: no row has to come out of the engine.
    tasks.orderBy('[project+state]').keys<[string, Task['state']]>(),
  ]);
  const open = states.filter(([, state]) => state === 'open').length;
  return {
    groups: groups.map((group, at) => ({ ...group, count: counts[at] ?? 0 })),
    projects: projectsOf(states),
    open,
    done: states.length - open,
  };
}

function projectsOf(states: readonly (readonly [string, Task['state']])[]): Project[] {
  const open = new Map<string, number>();
  for (const [project, state] of states) {
    if (project) open.set(project, (open.get(project) ?? 0) + (state === 'open' ? 1 : 0));
  }
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
