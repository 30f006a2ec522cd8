// Light, dark, or whatever the system prefers.
import { readSetting, writeSetting } from './storage.ts';

export type Theme = 'system' | 'light' | 'dark';

const order: readonly Theme[] = ['system', 'light', 'dark'];

function stored(): Theme {
  const value = readSetting('theme');
  return value === 'light' || value === 'dark' ? value : 'system';
}

class ThemeChoice {
  current = $state<Theme>(stored());

  /** Moves on: system, light, dark, and around. */
  next(): void {
    this.set(order[(order.indexOf(this.current) + 1) % order.length] ?? 'system');
  }

  set(theme: Theme): void {
    this.current = theme;
    writeSetting('theme', theme === 'system' ? null : theme);
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }
}

export const theme = new ThemeChoice();
