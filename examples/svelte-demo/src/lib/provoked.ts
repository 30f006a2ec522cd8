// Calls that must fail, to see how the engine refuses them: nothing of them is saved.
import type { Device } from './device.svelte.ts';
import { newTask, type Task } from './task.ts';

export interface Provocation {
  readonly label: string;
  readonly run: (device: Device) => PromiseLike<unknown>;
}

export const provocations: readonly Provocation[] = [
  {
    label: 'Add one id twice',
    run: (device) => {
      const twice = [newTask('Added once'), newTask('Added twice')].map((task) => ({ ...task, id: 'one-id' }));
      return device.transaction(['tasks'], (tx) => tx.table<Task>('tasks').bulkAdd(twice));
    },
  },
  {
    label: 'Sync a Map',
    run: (device) => device.tasks.add({ ...newTask('With a Map'), notes: new Map() as unknown as string }),
  },
  {
    label: 'Fetch inside a transaction',
    run: (device) =>
      device.transaction(['tasks'], async (tx) => {
        await tx.table<Task>('tasks').add(newTask('Never saved'));
        await fetch('/favicon.svg');
        await tx.table<Task>('tasks').add(newTask('Never saved either'));
      }),
  },
  { label: 'Ask an index that is not there', run: (device) => device.tasks.where('notes').equals('').toArray() },
];
