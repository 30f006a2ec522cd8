// Small settings of the page in localStorage: what is open and who is signed in, never tasks.

const prefix = 'mana-demo:';

/** The stored setting, or null when there is none. */
export function readSetting(name: string): string | null {
  return localStorage.getItem(prefix + name);
}

/** Stores a setting; null removes it. */
export function writeSetting(name: string, value: string | null): void {
  if (value === null) localStorage.removeItem(prefix + name);
  else localStorage.setItem(prefix + name, value);
}
