// The keyboard shortcuts, in one list for the help dialog and the handlers.

export const shortcuts = [
  { keys: ['N'], does: 'New task' },
  { keys: ['↑', '↓'], does: 'Previous or next task' },
  { keys: ['Enter'], does: 'Open or close the focused task' },
  { keys: ['X'], does: 'Tick off the focused task' },
  { keys: ['Delete'], does: 'Delete the focused task' },
  { keys: ['I'], does: 'Inspect the focused task' },
  { keys: ['Esc'], does: 'Close what is open' },
  { keys: ['?'], does: 'This list' },
] as const;

/** Whether a key press is text being typed, or part of a browser shortcut, and so none of ours. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  const typed = target instanceof HTMLInputElement && target.type !== 'checkbox';
  return typed || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
