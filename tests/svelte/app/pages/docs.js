// The examples of docs/svelte.md.
import { tasks } from '../docs/db.ts';
import { shown, until } from './shared.js';
import { wantedState } from './wanted.svelte.js';

await tasks.bulkPut([
  { id: 'a', title: 'Bake', done: false, projectId: 'p1' },
  { id: 'b', title: 'Cook', done: true, projectId: 'p1' },
  { id: 'c', title: 'Dust', done: false, projectId: 'p1' },
  { id: 'd', title: 'Eat', done: false, projectId: 'p2' },
]);

const components = import.meta.glob('../docs/*.svelte', { import: 'default' });
let props;
let leave;

export const names = () => Object.keys(components).map((path) => path.split('/').at(-1));

/** Shows an example in place of the one before. */
export async function show(name, given = {}) {
  await leave?.();
  const Component = await components[`../docs/${name}`]();
  const target = document.querySelector('main');
  props = wantedState(given);
  if (name.endsWith('.four.svelte')) {
    const former = new Component({ target, props });
    leave = () => former.$destroy();
  } else leave = shown(Component, props);
}

export function give(given) {
  Object.assign(props, given);
}

export function put(row) {
  return tasks.put(row);
}

export function remove(id) {
  return tasks.delete(id);
}

/** Waits until the page reads like that, whatever is between the words. */
export function reads(text) {
  const words = () => document.querySelector('main').innerText.replace(/\s+/g, ' ').trim();
  return until(() => words() === text, text).catch((error) => {
    throw new Error(`${error.message}; it reads: ${words()}`);
  });
}
