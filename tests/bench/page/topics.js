// What is measured: what is prepared once, and what one round of one contender takes (ms).
import { archiveTopics } from './archive-topics.js';
import { cipherTopics } from './cipher-topics.js';
import { edit, idOf, makeRecord, makeRecords, projectOf } from './records.js';
import { median, timed } from './rounds.js';
import { freshStamp, insertOf, pagesOf, updateOf } from './wire.js';

/** So many calls make one sample where a single one is too short to be measured. */
const fewCalls = 60;
const liveWrites = 12;
const getCalls = 1000;

const isHooked = (contender) => contender.name === 'Dexie, hooks';

/** Ten thousand records through hooks take minutes; a thousand show what they cost. */
const withoutLongHooks = (contender, size) => !contender.onlySeals && !(isHooked(contender) && size > 1000);
const withoutHooks = (contender) => !contender.onlySeals && !isHooked(contender);

async function filled(contender, size, options) {
  const db = await contender.open(options);
  const records = makeRecords(0, size);
  await contender.bulkAdd(db, records);
  return { db, records };
}

const bulkAdd = {
  id: 'bulk-add',
  takes: withoutLongHooks,
  begin: async (contender) => ({ db: await contender.open() }),
  async round(contender, state, _round, size) {
    await contender.close(state.db);
    state.db = await contender.open();
    const records = makeRecords(0, size);
    return timed(() => contender.bulkAdd(state.db, records));
  },
};

const overwrite = {
  id: 'overwrite',
  takes: withoutLongHooks,
  begin: filled,
  round(contender, { db, records }, round) {
    const changed = records.map((record, at) => ({ ...record, ...edit(at, round + 1) }));
    return timed(() => contender.overwrite(db, changed));
  },
};

const add = {
  id: 'add',
  begin: filled,
  async round(contender, { db }, round) {
    const samples = [];
    for (let at = 0; at < fewCalls; at += 1) {
      const record = makeRecord(round + 1, at);
      samples.push(await timed(() => contender.add(db, record)));
    }
    return median(samples);
  },
};

const apply = {
  id: 'apply',
  takes: withoutLongHooks,
  async begin(contender, size) {
    const db = await contender.open({ syncs: true });
    const at = freshStamp();
    const inserts = makeRecords(0, size).map((record) => insertOf(record, at));
    await contender.apply(db, pagesOf(inserts), size);
    return { db, stamps: new Map(), at };
  },
  round(contender, state, round, size) {
    const at = freshStamp();
    const { stamps } = state;
    const changes = Array.from({ length: size }, (_, number) => {
      const fields = edit(number, round + 1);
      const prev = stamps.get(number) ?? state.at;
      stamps.set(number, at);
      return updateOf(idOf(0, number), fields, at, prev);
    });
    return contender.apply(state.db, pagesOf(changes), size);
  },
};

const readAll = {
  id: 'read-all',
  takes: withoutLongHooks,
  begin: filled,
  round: (contender, { db }, _round, size) =>
    timed(async () => {
      const rows = await contender.readAll(db);
      if (rows.length !== size) throw new Error(`${contender.name} read ${rows.length} of ${size} rows`);
    }),
};

/** A thousand ids, spread over all records. */
function spread(records) {
  const step = Math.max(1, Math.floor(records.length / getCalls));
  return records.filter((_, at) => at % step === 0).map(({ id }) => id);
}

const getEach = {
  id: 'get-awaited',
  takes: withoutHooks,
  begin: filled,
  round: (contender, { db, records }) =>
    timed(async () => {
      for (const id of spread(records)) await contender.get(db, id);
    }),
};

const getMany = {
  id: 'get-together',
  takes: withoutHooks,
  begin: filled,
  round: (contender, { db, records }) =>
    timed(async () => {
      const rows = await contender.getMany(db, spread(records));
      if (rows.some((row) => row === undefined)) throw new Error(`${contender.name} missed a row`);
    }),
};

const list = {
  id: 'where-order-limit',
  takes: withoutHooks,
  begin: filled,
  async round(contender, { db }, round) {
    const samples = [];
    for (let at = 0; at < fewCalls; at += 1) {
      samples.push(
        await timed(async () => {
          const rows = await contender.list(db, projectOf(round * fewCalls + at), 10);
          if (rows.length !== 10) throw new Error(`${contender.name} listed ${rows.length} rows`);
        }),
      );
    }
    return median(samples);
  },
};

const seal = {
  id: 'seal',
  takes: (contender) => Boolean(contender.seals),
  begin: async (contender) => ({ db: await contender.open({ seals: true }) }),
  async round(contender, state, _round, size) {
    await contender.close(state.db);
    state.db = await contender.open({ seals: true });
    const records = makeRecords(0, size);
    return timed(() => contender.bulkAdd(state.db, records));
  },
};

const unseal = {
  id: 'unseal',
  takes: (contender) => Boolean(contender.seals),
  begin: (contender, size) => filled(contender, size, { seals: true }),
  round: (contender, { db, records }) =>
    timed(async () => {
      const rows = await contender.readAll(db);
      const [last, wanted] = [rows.at(-1), records.at(-1)];
      if (last.notes !== wanted.notes) throw new Error(`${contender.name} did not open the notes`);
    }),
};

/** A live topic: `queries` are open, `edited` gives the records one write changes, each of which some query shows. */
function liveTopic(id, queries, edited) {
  return {
    id,
    takes: (contender, size) => size === 1000 && withoutHooks(contender),
    async begin(contender, size) {
      const { db, records } = await filled(contender, size);
      const state = { db, records, answered: () => {} };
      let answers = 0;
      const ready = new Promise((resolve) => {
        state.answered = () => {
          answers += 1;
          if (answers === queries.length) resolve();
        };
      });
      contender.watch(db, queries, (at, rows) => state.answered(at, rows));
      await ready;
      return state;
    },
    async round(contender, state, round) {
      const samples = [];
      for (let at = 0; at < liveWrites; at += 1) {
        const count = round * liveWrites + at + 1;
        samples.push(await timed(() => written(contender, state, queries, edited(state.records, count))));
      }
      return median(samples);
    },
  };
}

/** Resolves when every query that shows one of the records has called back with its new title. */
async function written(contender, state, queries, records) {
  const waiting = new Map();
  queries.forEach(({ projectId }, at) => {
    const shown = records.find((record) => !projectId || record.projectId === projectId);
    if (shown) waiting.set(at, shown);
  });
  const told = new Promise((resolve) => {
    state.answered = (at, rows) => {
      const wanted = waiting.get(at);
      if (!wanted || !rows.some((row) => row.id === wanted.id && row.title === wanted.title)) return;
      waiting.delete(at);
      if (waiting.size === 0) resolve();
    };
  });
  await Promise.all([contender.save(state.db, records), told]);
}

const retitled = (record, count) => ({ ...record, title: `title ${count}` });
const oneOf = (records, count) => [retitled(records[count % 20], count)];
const fiveOf = (records, count) => [0, 1, 2, 3, 4].map((at) => retitled(records[at * 7], count));

export const topics = [
  bulkAdd,
  overwrite,
  add,
  apply,
  readAll,
  getEach,
  getMany,
  list,
  seal,
  unseal,
  ...cipherTopics,
  ...archiveTopics,
  liveTopic('live-one', [{}], oneOf),
  liveTopic('live-equal', Array(50).fill({}), oneOf),
  liveTopic(
    'live-different',
    Array.from({ length: 50 }, (_, at) => ({ projectId: projectOf(at) })),
    fiveOf,
  ),
];
