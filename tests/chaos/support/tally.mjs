// What a run came to, and whether it was strong enough to mean anything.
import { allFaults } from '../../support/faulty-proxy.mjs';
import { happenings } from './chaos.mjs';

export class Tally {
  #happened = new Map();
  #faults = new Map();

  happened(what) {
    this.#happened.set(what, (this.#happened.get(what) ?? 0) + 1);
  }

  /** @param {Map<string, number>} hits how many requests met each fault */
  faults(hits) {
    for (const [fault, count] of hits) this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + count);
  }

  report({ seed, seconds, saved, sent }) {
    const lines = [...this.#happened, ...this.#faults].map(([what, count]) => `${String(count).padStart(6)}  ${what}`);
    const written = `${saved} writes saved, ${sent} changes on the server before it was calm`;
    return [`chaos for ${seconds} s: ${written}`, ...lines.sort(), `SEED=${seed}`].join('\n');
  }

  /** Why the run proves too little; empty when it does not. */
  weaknesses({ saved, sent }) {
    const weak = [];
    for (const what of Object.keys(happenings)) if (!this.#happened.has(what)) weak.push(`never: ${what}`);
    for (const fault of allFaults) if (!this.#faults.has(fault)) weak.push(`no request met: ${fault}`);
    if (saved < 200) weak.push(`only ${saved} writes were saved`);
    if (sent < 100) weak.push(`only ${sent} changes reached the server while it was wild`);
    return weak;
  }
}
