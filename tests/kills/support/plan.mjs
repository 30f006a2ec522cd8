// When which kill comes: the same for the same seed, and every ten kills hold each kind.

/**
 * What is going on when the kill comes, and what it waits for.
 *
 * - `starting`: a time after the engine was told to open.
 * - `pulling`: a time after the engine asked for a backlog that another device made meanwhile, or got it.
 * - `writing`: a time after the writes began.
 * - `pushing`: a time after one of the pushes that the writes cause, or its answer.
 * - `contested`: as `writing`, while another device writes to the same records.
 * - `offline`: as `writing`, while the server is not running.
 * - `losing`: after that, when the note beside the database is on the disk; then the database is taken away.
 */
const kinds = [
  'writing',
  'pushing',
  'contested',
  'pulling',
  'offline',
  'starting',
  'writing',
  'pushing',
  'pulling',
  'contested',
];

/** Milliseconds until the kill, from what it waits for. */
const delays = {
  starting: [0, 500],
  pulling: [0, 150],
  writing: [100, 900],
  pushing: [0, 60],
  contested: [100, 900],
  offline: [100, 900],
  losing: [100, 900],
};

/** The rounds; `backlog` is the number of changes that the other device made meanwhile, `what` of an exchange is waited for. */
export function rounds(random, count) {
  const planned = [];
  for (let tens = 0; planned.length < count; tens += 1) {
    planned.push(...random.shuffled(tens % 2 === 0 ? [...kinds.slice(1), 'losing'] : kinds));
  }
  return planned.slice(0, count).map((kind) => ({
    kind,
    delay: random.between(...delays[kind]),
    what: random.pick(['request', 'answer']),
    pushes: random.between(1, 2),
    backlog: random.between(300, 1500),
  }));
}
