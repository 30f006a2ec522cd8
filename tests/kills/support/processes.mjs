// The processes of one browser profile, found by their command lines and groups.
import { readdirSync, readFileSync } from 'node:fs';

/** The browser that was started for the profile in `directory`: the leader of a group that its other processes are in. */
export function browserOf(directory) {
  const wanted = `--user-data-dir=${directory}`;
  const browser = running().find(
    ({ pid, group, command }) => pid === group && command.includes(wanted) && !command.includes('--type='),
  );
  if (!browser) throw new Error(`no browser runs on ${directory}`);
  return browser.pid;
}

/** Ends the browser and its whole group at once, and then what has left the group. */
export function kill(browser, directory) {
  signal(-browser);
  for (const pid of left(browser, directory)) signal(pid);
}

/** The processes of a browser that still run; one that only waits for its end to be noticed does not. */
export function left(browser, directory) {
  const ours = running().filter(
    ({ group, command }) => group === browser || command.includes(`--user-data-dir=${directory}`),
  );
  return ours.filter(({ pid, state }) => state !== 'Z' && pid !== process.pid).map(({ pid }) => pid);
}

function signal(target) {
  try {
    process.kill(target, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function running() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    // The name of the command stands in brackets and may hold anything.
    const [state, , group] = read(`/proc/${pid}/stat`).split(') ').pop().split(' ');
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
    return group ? [{ pid: Number(pid), group: Number(group), state, command }] : [];
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
