import { openDatabase } from '$lib/db';
import { served } from '$lib/served.js';

/** In place of the first sync. */
export async function init() {
  const engine = await openDatabase().catch(() => undefined);
  // The page tells why there is none.
  await engine?.table('tasks').bulkPut(served);
}
