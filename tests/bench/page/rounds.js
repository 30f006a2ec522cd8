// Interleaving: every round asks each contender once, so that a noisy moment of the machine hits all of them.

const fewestRounds = 3;
const mostRounds = 25;
/** A contender that is there for orientation is asked once when a round takes more than this part of the budget. */
const longest = 1 / 6;

/**
 * Milliseconds per round for each contender. Rounds are added until the budget (ms) is used up. The first one warms up and is
 * not counted, unless it alone takes longer than the budget: what warming up is worth is lost in it then.
 */
export async function measured(topic, contenders, size, budget) {
  const taking = contenders.filter((contender) => topic.takes?.(contender, size) ?? !contender.onlySeals);
  const states = [];
  for (const contender of taking) states.push({ contender, state: await topic.begin(contender, size), samples: [] });
  const begun = performance.now();
  const isOver = () => performance.now() - begun > budget;
  let counted = 0;
  for (let round = 0; counted < fewestRounds || (counted < mostRounds && !isOver()); round += 1) {
    for (const one of rotated(states, round)) {
      if (isAskedOnce(one, budget)) continue;
      one.samples.push(await topic.round(one.contender, one.state, round, size));
      await idle();
    }
    if (round === 0 && !isOver()) forgetWarmUp(states, budget);
    else counted += 1;
  }
  for (const { contender, state } of states) await contender.close(state.db);
  return Object.fromEntries(states.map(({ contender, samples }) => [contender.name, samples]));
}

function isAskedOnce({ contender, samples }, budget) {
  return Boolean(contender.isForOrientation) && samples[0] > budget * longest;
}

function forgetWarmUp(states, budget) {
  for (const one of states) if (!isAskedOnce(one, budget)) one.samples.length = 0;
}

/** Who goes first pays for what the one before left behind, so everybody goes first in turn. */
function rotated(items, by) {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/** Lets what a contender does after its answer (events, compaction, garbage) end before the next one begins. */
function idle() {
  return new Promise((resolve) => setTimeout(resolve, 15));
}

/** How long (ms) something takes. */
export async function timed(work) {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
