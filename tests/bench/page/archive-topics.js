// Packing and unpacking of archives, without a database; `size` is the number of rows.
import { makeRecord } from './records.js';
import { timed } from './rounds.js';

/** Rows of one page, as an export reads them. */
const pageRows = 500;
const takes = ({ packs }) => Boolean(packs);

function pagesOf(size) {
  const line = (at) => `${JSON.stringify(makeRecord(0, at))}\n`;
  const page = (from) => Array.from({ length: Math.min(pageRows, size - from) }, (_, at) => line(from + at)).join('');
  return Array.from({ length: Math.ceil(size / pageRows) }, (_, at) => page(at * pageRows));
}

const pack = {
  id: 'pack',
  takes,
  begin: async (contender, size) => ({ db: await contender.open(), pages: pagesOf(size) }),
  round: (contender, { db, pages }) => timed(() => contender.pack(pages, db)),
};

const unpack = {
  id: 'unpack',
  takes,
  async begin(contender, size) {
    const db = await contender.open();
    const pages = pagesOf(size);
    const characters = pages.reduce((sum, page) => sum + page.length, 0);
    return { db, packed: await contender.pack(pages, db), characters };
  },
  async round(contender, { db, packed, characters }) {
    let read;
    const took = await timed(async () => {
      read = await contender.unpack(packed, db);
    });
    const came = read.reduce((sum, text) => sum + text.length, 0);
    // The module gives lists, with commas for line breaks and two brackets around each.
    if (Math.abs(came - characters) > read.length) throw new Error(`${contender.name} read ${came} of ${characters}`);
    return took;
  },
};

export const archiveTopics = [pack, unpack];
