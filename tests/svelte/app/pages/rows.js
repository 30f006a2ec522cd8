// A list of 1,000 rows, and which of them are rendered when one changes.
import { flushSync } from 'svelte';
import Rows from '../components/Rows.svelte';
import { opened, shown, until } from './shared.js';
import { wantedState } from './wanted.svelte.js';

const ROWS = 1_000;
const wanted = wantedState({ hidden: null, limit: 0 });
const rendered = [];
let engine;
let latest;
let latestStatus;

export async function open(isSealed) {
  const encryption = { fields: { tasks: ['title'] }, format: 2 };
  engine = await opened(isSealed ? { encryption, vault: { waitMs: 0 } } : {});
  if (isSealed) await unlock();
  const row = (_, at) => ({ id: `t${at}`, place: 10 * at, title: `Task ${at}` });
  await engine.table('tasks').bulkAdd(Array.from({ length: ROWS }, row));
  const props = { engine, wanted, rendered: (id) => rendered.push(id), noted: (handle) => noted(handle) };
  shown(Rows, props);
  await until(() => latest?.length === ROWS, 'all rows');
}

function noted({ current, status }) {
  latest = current;
  latestStatus = status;
}

export function unlock() {
  return engine.vault.unlock({ rawKey: new Uint8Array(32).fill(3) });
}

const works = {
  update: () => engine.table('tasks').update('t500', { title: 'Changed' }),
  updateUnseen: () => engine.table('tasks').update('t500', { title: 'Unseen' }),
  insert: () => engine.table('tasks').add({ id: 'new', place: 5005, title: 'New' }),
  move: () => engine.table('tasks').update('t500', { place: 25 }),
  delete: () => engine.table('tasks').delete('t500'),
  restore: () => engine.table('tasks').restore('t500'),
  /** The same values once more. */
  nothing: () => engine.table('tasks').update('t501', { title: 'Task 501' }),
  hide: () => {
    wanted.hidden = 't500';
  },
  show: () => {
    wanted.hidden = null;
  },
  limit: () => {
    wanted.limit = 900;
  },
  lock: () => engine.vault.lock(),
  unlock,
};

/** Does that, and waits until another result with that status is shown; gives which rows were rendered, and whose elements changed. */
export async function after(work, status = 'ready') {
  const changed = new Set();
  const observer = new MutationObserver((records) => {
    for (const { target, addedNodes, removedNodes } of records) {
      const row = (target.nodeType === Node.TEXT_NODE ? target.parentElement : target).closest('li');
      if (row) changed.add(row.id);
      else for (const { id } of [...addedNodes, ...removedNodes]) if (id) changed.add(id);
    }
  });
  observer.observe(document.querySelector('ul'), {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
  });
  rendered.length = 0;
  const before = latest;
  await works[work]();
  flushSync();
  if (!['nothing', 'updateUnseen'].includes(work))
    await until(() => latest !== before && latestStatus === status, work);
  // Whatever else this brings about has come by then.
  await new Promise((resolve) => setTimeout(resolve, 150));
  flushSync();
  observer.disconnect();
  const elements = [...document.querySelectorAll('li')];
  return {
    rendered: [...new Set(rendered)].sort(),
    changed: [...changed].sort(),
    count: elements.length,
    inOrder: elements.every(({ id }, at) => id === latest[at].id),
  };
}
