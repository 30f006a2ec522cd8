// A change that the real server refuses for good: one made while nobody has told the device that it may only read.
import type { Device } from './device.svelte.ts';
import { newTask } from './task.ts';
import { sampleUsers } from './users.ts';

/**
 * Cuts the device off, has the list's owner let its user only read, adds a task there, and connects again.
 *
 * @throws Error when the server does not change the role
 */
export async function beRefused(device: Device): Promise<void> {
  const { family } = device;
  if (!family.shown) await family.show(true);
  device.setConnected(false);
  try {
    await letWrite(device, false);
    await device.tasks.add(newTask('Added by somebody who may only read'));
  } finally {
    device.setConnected(true);
  }
}

/** Has the owner of the family's list let the device's user write there, or only read. */
export async function letWrite(device: Device, allowed: boolean): Promise<void> {
  const { family, user } = device;
  const owner = sampleUsers.find(({ id }) => family.members.some((one) => one.id === id && one.role === 'owner'));
  if (!owner || !user) throw new Error('Nobody of the sample users owns this list');
  // Not by the way of the device, which may be cut off: the owner has one of their own.
  await family.setRole(user, allowed ? 'member' : 'viewer', { as: owner, fetch: globalThis.fetch.bind(globalThis) });
}
