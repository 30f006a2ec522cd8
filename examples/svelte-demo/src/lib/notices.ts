// Tells the person what the engine reports on its own account.
import type { Engine, EngineOptions } from '@mana/sync-engine';
import { notAccepted } from './letter-words.ts';
import { taskCount } from './task.ts';
import { toasts } from './toasts.svelte.ts';

const notices = {
  'database-lost': 'The browser lost the data of this device. What the server has will come back.',
  'clock-skew': 'The clock of this device is wrong. Check its date and time.',
  'storage-full': 'There is no room left on this device for what the server sent.',
} as const;

/** Shows the engine's events as messages while it is open. */
export function announce(engine: Engine): void {
  for (const [name, text] of Object.entries(notices) as [keyof typeof notices, string][]) {
    engine.on(name, () => toasts.show({ kind: 'error', text, code: name }));
  }
  engine.on('space-removed', ({ kept }) => {
    const own = kept.length > 0 ? ` ${taskCount(kept.length)} that only you know of are kept for 30 days.` : '';
    const text = `You are not in the family list any more: it was taken off this device.${own}`;
    toasts.show({ kind: 'info', text });
  });
}

/** Handlers for what happens while a database opens: `opening` says what it waits for, toasts what became of it. */
export function told(opening: (text: string) => void): NonNullable<EngineOptions['on']> {
  return {
    blocked: () => opening('Another tab has an older version of this app open. Close it to go on.'),
    upgrade: ({ version, step, steps }) => {
      if (step < steps) opening(`Bringing your tasks to version ${version}…`);
      else toasts.show({ kind: 'info', text: `Your tasks were brought to version ${version} of this app.` });
    },
    adoption: ({ phase, records, queued, letters, logged }) => {
      const found = `${records} records and ${queued} unsent changes of an older app were taken over.`;
      const aside = letters ? ` ${notAccepted(letters)}.` : '';
      const done = `The older app's data are complete: ${logged} changes it had not queued are sent, too.${aside}`;
      if (phase === 'pulling') toasts.show({ kind: 'info', text: found });
      if (phase === 'done') toasts.show({ kind: 'info', text: done });
    },
  };
}
