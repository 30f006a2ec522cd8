// Components that know stores only: in the legacy mode of Svelte 5, and of Svelte 4.
import { live } from '@mana/sync-engine/svelte';
import Former from '../components/Stores.four.svelte';
import Legacy from '../components/Stores.svelte';
import { opened, shown, until } from './shared.js';
import { wantedState } from './wanted.svelte.js';

const notes = [];
let engine;
let component;

const kinds = {
  legacy(props) {
    const state = wantedState({ ...props, all: live(() => engine.table('tasks').toCollection()) });
    const leave = shown(Legacy, state);
    return { turnTo: (project) => Object.assign(state, { project }), leave };
  },
  former(props) {
    const former = new Former({
      target: document.querySelector('main'),
      props: { ...props, all: engine.table('tasks').live() },
    });
    return { turnTo: (project) => former.$set({ project }), leave: () => former.$destroy() };
  },
};

/** Shows the component of this kind over a database with a task in each of two projects. */
export async function open(kind) {
  engine = await opened();
  await engine.table('tasks').bulkAdd([
    { id: 'a', projectId: 'p1', title: 'one' },
    { id: 'b', projectId: 'p2', title: 'two' },
  ]);
  component = kinds[kind]({ engine, project: 'p1', noted: (note) => notes.push(note) });
}

/** The major versions of Svelte that run here, as they tell it themselves. */
export function versions() {
  return [...globalThis.__svelte.v].sort();
}

/** Waits until the component says that. */
export function says(text) {
  const paragraph = () => document.querySelector('p')?.textContent;
  return until(() => paragraph() === text, text).catch((error) => {
    throw new Error(`${error.message}; it says ${paragraph()}`);
  });
}

export function turnTo(project) {
  component.turnTo(project);
}

/** Takes the component away; gives what it noted and what follows on. */
export async function leave() {
  await component.leave();
  const { length } = notes;
  await until(() => globalThis.subscriptions.begun === globalThis.subscriptions.ended, 'the end of all subscriptions');
  await engine.table('tasks').put({ id: 'late', projectId: 'p1', title: 'late' });
  return { notes, later: notes.length - length, begun: globalThis.subscriptions.begun };
}
