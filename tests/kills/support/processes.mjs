// The processes of one browser profile, found by their command lines and parents.
import { readdirSync, readFileSync } from 'node:fs';

/** Every process that was started for the profile in `directory`, the browser itself first. */
export function processesOf(directory) {
  const all = running();
  const found = all.filter(({ command }) => command.includes(`--user-data-dir=${directory}`));
  for (const { pid } of found) found.push(...all.filter((one) => one.parent === pid && !found.includes(one)));
  const rank = ({ command }) => (command.includes('--type=') ? 1 : 0);
  return found.sort((one, other) => rank(one) - rank(other)).map(({ pid }) => pid);
}

/** Whether a process still runs; one that only waits for its parent to notice its end does not. */
export function isRunning(pid) {
  return stateOf(pid)?.state !== undefined && stateOf(pid).state !== 'Z';
}

/** Ends a process at once, if it is still there. */
export function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function running() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const pid = Number(name);
    const state = stateOf(pid);
    return state ? [{ pid, parent: state.parent, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }] : [];
  });
}

/** State and parent; undefined for one that is gone. */
function stateOf(pid) {
  // The name of the command stands in brackets and may hold anything.
  const [state, parent] = read(`/proc/${pid}/stat`).split(') ').pop().split(' ');
  return state ? { state, parent: Number(parent) } : undefined;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
