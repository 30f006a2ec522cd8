// What a run came to, and whether it was strong enough to mean anything.

export class Tally {
  kills = 0;
  midWrite = 0;
  midPush = 0;
  midPull = 0;
  withUnsent = 0;
  offline = 0;
  acknowledged = 0;
  lostFromTheEnd = 0;
  orphans = 0;
  busy = 0;
  /** Lost databases: whether the test took it away, how many changes were unsent, and how many the engine told of. */
  #losses = [];

  /** Counts a kill, and what was under way when it came. */
  kill(kind, { underWay, acknowledged }, request) {
    this.kills += 1;
    this.acknowledged += acknowledged;
    if (kind === 'offline' || kind === 'losing') this.offline += 1;
    if (underWay > 0) this.midWrite += 1;
    if (request === '/v2/push') this.midPush += 1;
    if (request === '/v2/pull') this.midPull += 1;
    if (underWay > 0 || request) this.busy += 1;
  }

  loss(loss) {
    this.#losses.push(loss);
  }

  #lost(taken) {
    const losses = this.#losses.filter((loss) => loss.taken === taken);
    const each = losses.map(({ pending, told }) => `${told ?? 'not'} of ${pending}`);
    return losses.length === 0 ? '0' : `${losses.length}, told ${each.join(', ')}`;
  }

  report(seed, seconds) {
    return [
      `kills                      ${this.kills} in ${seconds.toFixed(0)} s, ${(seconds / this.kills).toFixed(2)} s each`,
      `  mid-write                ${this.midWrite}`,
      `  mid-push                 ${this.midPush}`,
      `  mid-pull                 ${this.midPull}`,
      `  with unsent changes      ${this.withUnsent}`,
      `  while the server was off ${this.offline}`,
      `databases vanished         ${this.#lost(false)}`,
      `  taken away by the test   ${this.#lost(true)}`,
      `acknowledged writes        ${this.acknowledged}`,
      `  lost from the end        ${this.lostFromTheEnd}`,
      `orphans                    ${this.orphans}`,
      `seed                       ${seed}`,
    ].join('\n');
  }

  /** Why the run proves too little; empty when it does not. */
  weaknesses() {
    const share = (part, of) => part * of < this.kills;
    const weak = [];
    if (share(this.busy, 2)) weak.push('fewer than half of the kills met a write or an exchange');
    if (share(this.midWrite, 4)) weak.push('fewer than a quarter of the kills met a write');
    if (share(this.midPush, 20)) weak.push('fewer than one in 20 kills met a push');
    if (share(this.midPull, 20)) weak.push('fewer than one in 20 kills met a pull');
    if (share(this.withUnsent, 4)) weak.push('fewer than a quarter of the kills left unsent changes');
    if (this.offline === 0) weak.push('no kill came while the server was off');
    if (!this.#losses.some(({ taken, told }) => taken && told > 0))
      weak.push('no database with unsent changes was taken away');
    if (this.acknowledged < 10 * this.kills) weak.push('fewer than ten acknowledged writes per kill');
    return weak;
  }
}
