// Calendar days as `YYYY-MM-DD`, in the person's own time zone.

/** The calendar day of a moment. */
export function dayOf(moment: Date): string {
  const month = String(moment.getMonth() + 1).padStart(2, '0');
  return `${moment.getFullYear()}-${month}-${String(moment.getDate()).padStart(2, '0')}`;
}

/** The day `count` days after `day`. */
export function addDays(day: string, count: number): string {
  const date = atNoon(day);
  date.setDate(date.getDate() + count);
  return dayOf(date);
}

/** The first day after `day` that falls on the weekday (0 is Sunday). */
export function nextWeekday(day: string, weekday: number): string {
  const ahead = (weekday - atNoon(day).getDay() + 7) % 7;
  return addDays(day, ahead || 7);
}

/** How a due date is spoken of: Today, Tomorrow, Wednesday, 24 Dec, 3 Jan 2027. */
export function dayLabel(day: string, today: string): string {
  if (day === today) return 'Today';
  if (day === addDays(today, 1)) return 'Tomorrow';
  if (day === addDays(today, -1)) return 'Yesterday';
  if (day > today && day < addDays(today, 7)) return atNoon(day).toLocaleDateString('en-GB', { weekday: 'long' });
  const year: Intl.DateTimeFormatOptions = day.slice(0, 4) === today.slice(0, 4) ? {} : { year: 'numeric' };
  return atNoon(day).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...year });
}

/** The heading of the list: Sunday, 22 November. */
export function longDay(day: string): string {
  return atNoon(day).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
}

/** Noon, so that a change to summer time never moves the day. */
function atNoon(day: string): Date {
  return new Date(`${day}T12:00:00`);
}
