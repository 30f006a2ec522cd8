// A list whose parameters change, and with them at the same moment the space, the user or the vault.
import { flushSync, tick } from 'svelte';
import Board from '../components/Board.svelte';
import { opened, shown, until } from './shared.js';
import { wantedState } from './wanted.svelte.js';

const key = new Uint8Array(32).fill(5);
let engine;
let wanted;
let notes;

/** Shows the rows of project `p1` of space `s1`; both spaces have rows in two projects, 30 in each. */
export async function open() {
  engine = await opened({ encryption: { fields: { tasks: ['title'] }, format: 2 }, vault: { waitMs: 0 } });
  await engine.vault.unlock({ rawKey: key });
  await fill('s1');
  await engine.setActiveSpace('s2');
  await fill('s2');
  await engine.setActiveSpace('s1');
  wanted = wantedState({ project: 'p1', limit: 10 });
  notes = [];
  shown(Board, { engine, wanted, noted: (note) => notes.push(note) });
  await settled();
}

async function fill(space) {
  for (const project of ['p1', 'p2']) {
    const row = (_, at) => ({
      id: `${space} ${project} ${at}`,
      projectId: project,
      title: 'opened',
      // Private rows of a shared space are sealed, too.
      ...(space === 's2' && { visibility: 'private' }),
    });
    await engine.table('tasks').bulkAdd(Array.from({ length: 30 }, row));
  }
}

/** Changes parameters and does at the same moment what `also` names; gives all that was shown from then on. */
export async function change(parameters, also) {
  notes.length = 0;
  Object.assign(wanted, parameters);
  // The list shows the former rows now, or never.
  flushSync();
  await ends[also ?? 'nothing']();
  await tick();
  // From what is shown then on.
  const after = notes.length - 1;
  await settled();
  return { notes, after };
}

/** Each resolves when what was is over. */
const ends = {
  nothing: () => {},
  async space() {
    await engine.setActiveSpace('s2');
  },
  async user() {
    await engine.setUser(null);
  },
  async lock() {
    engine.vault.lock();
    await until(() => engine.vault.state.current === 'locked');
    // The former query has been read anew; only then the present one answers.
    await until(() => notes.at(-1).rows?.[0].title !== 'opened', 'a drop');
    await tick();
    wanted.isHeld = false;
  },
};

export function unlock() {
  return engine.vault.unlock({ rawKey: key });
}

/** Waits until the list has its own rows and nothing is due any more. */
async function settled() {
  await until(() => notes.at(-1) && !notes.at(-1).isStale && notes.at(-1).status !== 'loading', 'an answer');
  await new Promise((resolve) => setTimeout(resolve, 50));
}
