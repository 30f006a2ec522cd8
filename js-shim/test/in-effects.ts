/** Reading in effects, as templates do, without a component. */
import { flushSync } from 'svelte';
import { toStore } from 'svelte/store';
import { microtasks } from './raw-double.js';

/** Lets effects run, and what they set off. */
export async function effects(): Promise<void> {
  await microtasks();
  flushSync();
  await microtasks();
}

/** Reads in an effect, and keeps what it saw. */
export function watched<V>(read: () => V): { seen: V[]; stop: () => void } {
  const seen: V[] = [];
  const stop = toStore(() => ({ value: read() })).subscribe(({ value }) => seen.push(value));
  return { seen, stop };
}

/** The ids of rows, as one text. */
export const ids = (rows: readonly { readonly id: string }[] | undefined) => rows?.map((row) => row.id).join();
