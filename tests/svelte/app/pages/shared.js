// What the pages have in common: a database, and components on the page.
import { openEngine } from '@mana/sync-engine';
import { flushSync, mount, unmount } from 'svelte';

const spaces = [
  { id: 's1', type: 'personal' },
  { id: 's2', type: 'family', role: 'owner' },
];

/** Opens a database of its own with the table `tasks`; its titles are sealed where the options name encryption. */
export function opened(more = {}) {
  return openEngine({
    name: `svelte-${crypto.randomUUID()}`,
    schema: { version: 1, stores: { tasks: 'id, projectId, place', drafts: '++id' } },
    apps: { todo: { tables: { tasks: { dates: ['when'] } } } },
    user: { id: 'ada' },
    spaces,
    activeSpaceId: 's1',
    ...more,
  });
}

/** Shows a component; gives the function that takes it away. */
export function shown(Component, props) {
  const component = mount(Component, { target: document.querySelector('main'), props });
  flushSync();
  return () => unmount(component);
}

/** Waits until something is so, at most half a minute. */
export async function until(isSo, what) {
  const end = performance.now() + 30_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`in vain: ${what ?? isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

/** Lets the browser do something else; timers would wait four milliseconds each. */
export function turn() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
