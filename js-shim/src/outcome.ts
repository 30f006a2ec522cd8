/** The promise that writes give: resolved when saved, with `.synced` for when the server has it. */

import type { Write } from './types.js';

/** What a write came to, and how to wait for the server. */
export interface Outcome<V> {
  readonly value: V;
  readonly whenSynced: () => Promise<void>;
}

/**
 * The public promise of a write. The server is only waited for when `.synced` is read, so that an app that never reads it
 * gets no unhandled rejections from there.
 */
export function writePromise<V>(outcome: Promise<Outcome<V>>): Write<V> {
  const saved = outcome.then((done) => done.value);
  let synced: Promise<void> | undefined;
  const get = () => {
    if (!synced) {
      // Who waits for the server need not wait for the disk as well: a failure to save arrives here too.
      saved.catch(() => {});
      synced = outcome.then((done) => done.whenSynced());
    }
    return synced;
  };
  return Object.defineProperty(saved, 'synced', { get }) as Write<V>;
}

/** The same outcome with another value. */
export async function mapped<A, B>(outcome: Promise<Outcome<A>>, map: (value: A) => B): Promise<Outcome<B>> {
  const { value, whenSynced } = await outcome;
  return { value: map(value), whenSynced };
}
