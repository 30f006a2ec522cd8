// Many tasks at once: each of these is one transaction, and can be undone.
import type { Query, Table } from '@mana/sync-engine';
import type { Device } from './device.svelte.ts';
import { doneTasks, openTasks, type Shown } from './queries.ts';
import { sampleMaker, sampleTasks } from './samples.ts';
import { type Task, taskCount, ticked } from './task.ts';
import { toasts } from './toasts.svelte.ts';

/** Ticks off every open task that is shown. */
export async function completeAll(device: Device, shown: Shown): Promise<void> {
  const select = (tasks: Table<Task>) => openTasks(tasks, shown);
  const ids = await changeAll(device, 'Completing', select, (query) => query.modify(ticked(true)));
  const open = (id: string) => ({ key: id, changes: ticked(false) });
  offerUndo(device, 'Completed', ids, (tasks) => tasks.bulkUpdate(ids.map(open)));
}

/** Deletes every ticked off task that is shown. */
export async function deleteDone(device: Device, shown: Shown): Promise<void> {
  const select = (tasks: Table<Task>) => doneTasks(tasks, shown);
  const ids = await changeAll(device, 'Deleting', select, (query) => query.delete());
  offerUndo(device, 'Deleted', ids, async (tasks) => {
    for (const id of ids) await tasks.restore(id);
  });
}

/** Adds sample tasks and says how long that took. */
export async function addSamples(device: Device, count: number, today: string): Promise<void> {
  const tasks = device.engine?.as(sampleMaker).table<Task>('tasks');
  let ids: string[] = [];
  const begun = performance.now();
  await device.save('Adding the samples', async () => {
    ids = (await tasks?.bulkAdd(sampleTasks(count, today), { allKeys: true })) ?? [];
  });
  const ms = Math.round(performance.now() - begun).toLocaleString('en-GB');
  offerUndo(device, `Saved in ${ms} ms:`, ids, (table) => table.bulkDelete(ids));
}

/** Reads which tasks a query has and changes them, with nothing in between. Gives their ids; none when it failed. */
async function changeAll(
  device: Device,
  doing: string,
  select: (tasks: Table<Task>) => Query<Task>,
  change: (query: Query<Task>) => Promise<number>,
): Promise<string[]> {
  let ids: string[] = [];
  const saved = await device.save(doing, () =>
    device.transaction(['tasks'], async (tx) => {
      const query = select(tx.table<Task>('tasks'));
      ids = await query.primaryKeys();
      await change(query);
    }),
  );
  return saved ? ids : [];
}

function offerUndo(
  device: Device,
  what: string,
  ids: readonly string[],
  takeBack: (tasks: Table<Task>) => Promise<unknown>,
): void {
  if (ids.length === 0) return;
  const undo = () => device.transaction(['tasks'], (tx) => takeBack(tx.table<Task>('tasks')));
  const run = () => void device.save('Undoing', undo);
  toasts.show({ kind: 'info', text: `${what} ${taskCount(ids.length)}`, action: { label: 'Undo', run } });
}
