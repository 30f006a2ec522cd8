// Interleaving: every round asks each contender once, so that a noisy moment of the machine hits all of them.

const fewestRounds = 3;
const mostRounds = 25;
/** A contender that is there for orientation is asked once when a round takes more than this part of the budget. */
const longest = 1 / 6;

/**
 * Milliseconds per round for each contender. Rounds are added until the budget (ms, preparation included) is used up. The
 * first round warms up and is not counted.
 */
export async function measured(topic, contenders, size, budget) {
  const taking = contenders.filter((contender) => topic.takes?.(contender, size) ?? true);
  const states = [];
  for (const contender of taking) states.push({ contender, state: await topic.begin(contender, size), samples: [] });
  const begun = performance.now();
  for (let round = 0; round <= mostRounds; round += 1) {
    for (const { contender, state, samples } of rotated(states, round)) {
      const once = contender.isForOrientation && samples[0] > budget * longest;
      if (once) continue;
      const took = await topic.round(contender, state, round, size);
      if (round > 0 || (contender.isForOrientation && took > budget * longest)) samples.push(took);
      await idle();
    }
    if (round >= fewestRounds && performance.now() - begun > budget) break;
  }
  for (const { contender, state } of states) await contender.close(state.db);
  return Object.fromEntries(states.map(({ contender, samples }) => [contender.name, samples]));
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
