// The shorthand of the quick-add line: `Water the plants tomorrow #home`.
import { addDays, nextWeekday } from './dates.ts';
import { type NewTask, newTask } from './task.ts';

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/**
 * Reads a line: `#name` is the project, a last word like today, tomorrow or friday is the due date, the rest the
 * title. Null when no title is left. `today` is a calendar day.
 */
export function parseQuickAdd(line: string, today: string): NewTask | null {
  const words = line.trim().split(/\s+/).filter(Boolean);
  const tag = words.findIndex((word) => /^#[^#\s]+$/.test(word));
  const project = (tag < 0 ? '' : (words.splice(tag, 1)[0] ?? '')).slice(1);
  // A lone word is the title, even when it names a day.
  const dueDate = words.length > 1 ? dueDateOf(words.at(-1), today) : '';
  if (dueDate) words.pop();
  const title = words.join(' ');
  return title ? { ...newTask(title), project, dueDate } : null;
}

function dueDateOf(word: string | undefined, today: string): string {
  const name = word?.toLowerCase();
  if (name === 'today') return today;
  if (name === 'tomorrow') return addDays(today, 1);
  const weekday = name ? weekdays.indexOf(name) : -1;
  return weekday < 0 ? '' : nextWeekday(today, weekday);
}
