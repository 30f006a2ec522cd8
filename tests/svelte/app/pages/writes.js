// Writes of components: of `$state`, and how far they have come.
import { tokenFor } from '../../../support/page/token.js';
import Form from '../components/Form.svelte';
import Proxies from '../components/Proxies.svelte';
import { opened, shown } from './shared.js';

/** Has the component make all its calls; gives their answers and the rows afterwards. */
export async function handOver() {
  const engine = await opened();
  const [tasks, drafts] = [engine.table('tasks'), engine.table('drafts')];
  const answers = await new Promise((done) => shown(Proxies, { tasks, drafts, done }));
  const own = ({ id, title, tags, list, when, place }) => ({ id, title, tags, list, when: when?.toISOString(), place });
  const rows = (await tasks.orderBy('place').toArray()).map(own);
  return { answers, rows, draft: await drafts.get(1) };
}

/** Shows the form, over a database that syncs; all that it says is noted. */
export async function openForm(server, space) {
  const engine = await opened({
    sync: { url: server, getToken: () => tokenFor(server) },
    // One that the server knows nothing of, where it is no space of the user's own.
    ...(space && { spaces: [space], activeSpaceId: space.id }),
  });
  await engine.sync.syncNow();
  shown(Form, { tasks: engine.table('tasks') });
  globalThis.said = [];
  const output = document.querySelector('output');
  new MutationObserver(() => globalThis.said.push(output.textContent)).observe(output, {
    subtree: true,
    childList: true,
    characterData: true,
  });
}

export function said() {
  return globalThis.said;
}
