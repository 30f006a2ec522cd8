// Components that come and go, and what is left of them.
import { liveQuery } from '@mana/sync-engine';
import Visitor from '../components/Visitor.svelte';
import { opened, shown, turn, until } from './shared.js';

/** So many queries that differ. */
const PROJECTS = 20;
let engine;
let counted;
let statusReaders = 0;
let runs = 0;

export async function open() {
  engine = await opened();
  countReaders(engine.sync.status);
  const row = (_, at) => ({ id: `t${at}`, projectId: `p${at % PROJECTS}` });
  await engine.table('tasks').bulkAdd(Array.from({ length: 5 * PROJECTS }, row));
  counted = liveQuery(engine, async (q) => {
    runs += 1;
    return q.table('tasks').count();
  });
}

function countReaders(store) {
  const subscribe = store.subscribe.bind(store);
  store.subscribe = (run) => {
    const off = subscribe(run);
    statusReaders += 1;
    return () => {
      statusReaders -= 1;
      off();
    };
  };
}

/** What is followed now. */
export function followed() {
  const { begun, ended } = globalThis.subscriptions;
  return { raw: begun - ended, statusReaders, runs };
}

const visit = (at, seen = () => {}) => shown(Visitor, { engine, project: `p${at % PROJECTS}`, counted, seen });

/** Mounts so many at once, waits until each has seen its rows, and says what was followed then. */
export async function together(count) {
  let full = 0;
  const away = Array.from({ length: count }, (_, at) => {
    let isFull = false;
    return visit(at, (rows, total) => {
      if (isFull || rows !== 5 || !(total > 0)) return;
      isFull = true;
      full += 1;
    });
  });
  await until(() => full === count, 'rows for all');
  const most = followed();
  for (const leave of away) await leave();
  return { ...most, shown: document.querySelectorAll('main p').length };
}

/** Mounts and unmounts so many, one after the other, the even ones before they were answered; gives the most that was followed. */
export async function oneByOne(count) {
  let most = 0;
  for (let at = 0; at < count; at += 1) {
    const leave = visit(at);
    if (at % 2) await turn();
    most = Math.max(most, followed().raw);
    await leave();
  }
  return most;
}

/** Waits until nothing is followed. */
export function left() {
  return until(() => followed().raw === 0, 'the end of all subscriptions');
}

/** A commit that whoever still follows would hear of. */
export async function commit() {
  const before = runs;
  await engine.table('tasks').put({ id: 'late', projectId: 'p1' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  return runs - before;
}
