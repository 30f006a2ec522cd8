// Tells the person what the engine reports on its own account.
import type { Engine } from '@mana/sync-engine';
import type { Device } from './device.svelte.ts';
import { toasts } from './toasts.svelte.ts';

const notices = {
  'database-lost': 'The browser lost the data of this device. What the server has will come back.',
  'dead-letter': 'The server refused a change for good. It is kept aside on this device.',
  'clock-skew': 'The clock of this device is wrong. Check its date and time.',
  'storage-full': 'There is no room left on this device for what the server sent.',
} as const;

/** Shows the engine's events as messages while it is open. */
export function announce(device: Device, engine: Engine): void {
  for (const [name, text] of Object.entries(notices) as [keyof typeof notices, string][]) {
    engine.on(name, () => toasts.show({ kind: 'error', text, code: name }));
  }
  engine.conflicts.subscribe((conflict) => {
    const run = () => void device.save('Restoring', () => engine.conflicts.restore(conflict));
    const text = 'A later edit on another device replaced yours.';
    toasts.show({ kind: 'info', text, action: { label: 'Take mine', run } });
  });
}
