/** Reads for a function that is followed: which tables it reads is noted, and it writes nothing. */

import type { Access } from './access.js';
import { invalidArgument } from './errors.js';
import type { RawQuery } from './raw.js';

/** The reads of `inner`; each table is told to `note` before it is read. */
export function readingAccess(inner: Access, note: (table: string) => void): Access {
  const noted = (query: RawQuery): RawQuery => {
    note(query.table);
    return query;
  };
  const refused = async () => onlyReads();
  return {
    info: (table) => inner.info(table),
    read: (query) => inner.read(noted(query)),
    find: (query, want) => inner.find(noted(query), want),
    explain: (query) => inner.explain(query),
    count: (query) => inner.count(noted(query)),
    getMany: (table, keys) => {
      note(table);
      return inner.getMany(table, keys);
    },
    write: refused,
    atomically: refused,
    live: onlyReads,
  };
}

function onlyReads(): never {
  throw invalidArgument('The function of a live query only reads, by toArray and the like.');
}
