// The topics as they are reported: what is meant, which floor and which targets, and what a run's samples come to.

const both = [1000, 10000];
const small = [1000];
/** Records of that many bytes, as JSON. */
const twentyMegabytes = 37_500;

/** `of`: the contender that the engine is held against; `most`: the greatest ratio of medians that meets the target. */
const target = (of, most) => ({ of, most });

export const topics = [
  {
    id: 'bulk-add',
    title: 'add all records in one call, logged, to commit',
    floor: 'plain rows',
    targets: [target('plain rows', 1.35), target('Dexie, hooks', 0.2)],
    sizes: both,
  },
  {
    id: 'overwrite',
    title: 'overwrite all records, three fields differ: compare, stamp, log',
    floor: 'plain rows',
    targets: [target('plain rows', 1.7)],
    sizes: both,
  },
  {
    id: 'add',
    title: 'add one record, to commit (median of calls)',
    floor: 'plain rows',
    targets: [target('plain rows', 1.3)],
    sizes: both,
  },
  {
    id: 'apply',
    title: "apply the server's updates of three fields to all records",
    floor: 'plain rows',
    targets: [target('plain rows', 1.2)],
    sizes: both,
  },
  {
    id: 'read-all',
    title: 'read all records',
    floor: 'same bytes',
    targets: [target('same bytes', 1.1)],
    sizes: both,
  },
  {
    id: 'get-awaited',
    title: '1,000 records by id, awaited one by one',
    floor: 'plain rows',
    targets: [],
    sizes: both,
  },
  {
    id: 'get-together',
    title: '1,000 records by id, in one call',
    floor: 'plain rows',
    targets: [target('plain rows', 1.2)],
    sizes: both,
  },
  {
    id: 'where-order-limit',
    title: 'the first ten of a project by date (compound index)',
    floor: 'plain rows',
    targets: [],
    sizes: both,
  },
  {
    id: 'seal',
    title: 'add all records, three fields sealed, to commit',
    floor: 'WebCrypto',
    targets: [],
    sizes: both,
  },
  {
    id: 'unseal',
    title: 'read all records, three fields sealed',
    floor: 'WebCrypto',
    targets: [target('WebCrypto', 0.45)],
    sizes: both,
  },
  ...[
    { name: '64', words: '64 B', count: 1000 },
    { name: '1k', words: '1 KB', count: 1000 },
    { name: '16k', words: '16 KB', count: 100 },
    { name: '1m', words: '1 MB', count: 3 },
  ].flatMap(({ name, words, count }) =>
    ['seal', 'open'].map((what) => ({
      id: `${what}-${name}`,
      title: `${what} values of ${words}, one after the other, without a database`,
      floor: 'WebCrypto',
      targets: [],
      sizes: [count],
    })),
  ),
  {
    id: 'open-rows',
    title: 'open three values of 100 B for each of 10,000 rows, without a database',
    floor: 'WebCrypto',
    targets: [target('WebCrypto', 0.45)],
    sizes: [30_000],
  },
  {
    id: 'unlock',
    title: 'open a key by a passphrase (PBKDF2, 600,000 iterations)',
    floor: 'WebCrypto',
    targets: [],
    sizes: [1],
  },
  {
    id: 'pack',
    title: 'pack 20 MB of JSON lines, level 6, without a database',
    floor: 'CompressionStream',
    targets: [target('fflate', 1 / 1.8), target('CompressionStream', 1 / 1.5)],
    sizes: [twentyMegabytes],
  },
  {
    id: 'unpack',
    title: 'unpack 20 MB of JSON lines, without a database',
    floor: 'CompressionStream',
    targets: [target('fflate', 1 / 2)],
    sizes: [twentyMegabytes],
  },
  {
    id: 'live-one',
    title: 'one live query over 1,000 rows, from the write to its answer',
    floor: 'plain rows',
    targets: [target('Dexie', 2 / 3.5)],
    sizes: small,
  },
  {
    id: 'live-equal',
    title: '50 equal live queries over 1,000 rows, to the last answer',
    floor: 'plain rows',
    targets: [target('Dexie', 6 / 128)],
    sizes: small,
  },
  {
    id: 'live-different',
    title: '50 different live queries, 5 of them concerned, to the last answer',
    floor: 'plain rows',
    targets: [target('Dexie', 4 / 13.5)],
    sizes: small,
  },
];

/** Medians, ratios to the floor, and which targets are met. */
export function judged(topic, records, samples) {
  const medians = Object.fromEntries(Object.entries(samples).map(([name, taken]) => [name, median(taken)]));
  const ratio = (name, of) => medians[name] / medians[of];
  const contenders = Object.keys(medians).map((name) => {
    return { name, median: medians[name], ratio: ratio(name, topic.floor), samples: samples[name].length };
  });
  const targets = topic.targets
    .filter(({ of }) => of in medians)
    .map(({ of, most }) => ({ of, most, reached: ratio('engine', of), met: ratio('engine', of) <= most }));
  return { id: topic.id, title: topic.title, floor: topic.floor, records, contenders, targets };
}

function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
