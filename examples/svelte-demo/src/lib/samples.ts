// Tasks to play with.
import type { Actor } from '@mana/sync-engine';
import { addDays } from './dates.ts';
import { type NewTask, newTask } from './task.ts';

/** Writes the samples; the inspector and the activity show it as their author. */
export const sampleMaker: Actor = { kind: 'ai', principalId: 'sample-maker', displayName: 'Sample maker' };

const verbs = ['Call', 'Write to', 'Visit', 'Thank', 'Invite', 'Remind', 'Ask', 'Pay', 'Meet', 'Congratulate'];
const people = ['Sam', 'the plumber', 'Grandma', 'the bank', 'Noor', 'the school', 'Luca', 'the library', 'Mia'];
const projects = ['Home', 'Work', 'Trip', ''];

/** The same tasks for the same day, one in three without a due date. */
export function sampleTasks(count: number, today: string): NewTask[] {
  return Array.from({ length: count }, (_, at) => ({
    ...newTask(`${verbs[at % verbs.length]} ${people[at % people.length]} (${at + 1})`),
    dueDate: at % 3 === 2 ? '' : addDays(today, ((at * 7) % 62) - 1),
    project: projects[at % projects.length] ?? '',
  }));
}

/** A first list; people tick, change and add to it. */
export function firstTasks(today: string): NewTask[] {
  return [
    { ...newTask('Water the plants'), dueDate: today, project: 'Home' },
    { ...newTask('Book the train to Lyon'), dueDate: addDays(today, 1), project: 'Trip', notes: 'Window seat' },
    { ...newTask('Send the invoice'), dueDate: addDays(today, 4), project: 'Work' },
    { ...newTask('Find a good book'), project: 'Home' },
  ];
}
