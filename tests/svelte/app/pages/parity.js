// One handle read as a store and by its getter, while rows, filters and parameters change at random.
import { flushSync, tick } from 'svelte';
import { randomOf } from '../../../support/page/random.js';
import Parity from '../components/Parity.svelte';
import { opened, shown } from './shared.js';
import { wantedState } from './wanted.svelte.js';

/** So many rows come and go. */
const ROWS = 20;
const kindsOfChange = ['commit', 'commit', 'commit', 'project', 'filter', 'limit', 'both'];

/**
 * Makes so many changes, and compares at each run of anything that reads both. A template may run once more where a parameter changed:
 * `unsettled` has those that differed when that was over.
 */
export async function compare(changes, seed) {
  const random = randomOf(seed);
  const tasks = (await opened()).table('tasks');
  const wanted = wantedState({ project: 'p1', parity: null, limit: 0 });
  const outcome = { compared: {}, kinds: {}, apart: { effects: [], afterCommits: [] }, unsettled: [] };
  const lengths = new Set();
  const last = new Map();
  let now = 'first';
  const compared = (where, store, getter) => {
    outcome.compared[where] = (outcome.compared[where] ?? 0) + 1;
    const difference = store === getter ? null : `${where} at ${now}: ${store?.length} and ${getter?.length}`;
    // Of a row nobody knows whether it is still there.
    if (where !== 'row') last.set(where, difference);
    if (difference && ['effect', 'getter first'].includes(where)) outcome.apart.effects.push(difference);
    else if (difference && now.endsWith('commit')) outcome.apart.afterCommits.push(difference);
    lengths.add(getter?.length);
    return 'seen';
  };
  const away = shown(Parity, { tasks, wanted, compared });
  for (let step = 0; step < changes; step += 1) {
    const kind = random.pick(kindsOfChange);
    outcome.kinds[kind] = (outcome.kinds[kind] ?? 0) + 1;
    now = `${step} ${kind}`;
    await change(kind, random, tasks, wanted);
    await tick();
    outcome.unsettled.push(...[...last.values()].filter(Boolean));
    if (random.oneIn(2)) await new Promise((resolve) => setTimeout(resolve, random.between(0, 8)));
  }
  await away();
  return { ...outcome, lengths: [...lengths] };
}

async function change(kind, random, tasks, wanted) {
  if (kind === 'project' || kind === 'both') wanted.project = random.pick(['', 'p1', 'p2', 'p3']);
  if (kind === 'filter') wanted.parity = random.pick([null, 0, 1]);
  if (kind === 'limit') wanted.limit = random.pick([0, 2, 5]);
  if (kind === 'commit' || kind === 'both') {
    const id = `t${random.between(1, ROWS)}`;
    const row = { id, projectId: `p${random.between(1, 3)}`, place: random.between(1, 9) };
    const write = random.oneIn(4) ? tasks.delete(id) : tasks.put(row);
    if (!random.oneIn(3)) await write;
  }
  if (random.oneIn(4)) flushSync();
}
