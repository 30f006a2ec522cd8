// What ciphers and derivations take by themselves; `size` is the number of values in a round.
import { timed } from './rounds.js';

const letters = 'abcdefghijklmnopqrstuvwxyz ';

/** Texts of so many characters, each another one. */
function texts(count, length, round) {
  const long = letters.repeat(Math.ceil(length / letters.length) + 1);
  return Array.from({ length: count }, (_, number) => {
    const name = `${round} ${number} `;
    return name + long.slice(0, length - name.length);
  });
}

const seals = ({ ciphers }) => Boolean(ciphers);

const sealEach = (id, length) => ({
  id,
  takes: seals,
  begin: async (contender) => ({ db: await contender.open() }),
  round(contender, { db }, round, size) {
    const values = texts(size, length, round);
    return timed(() => contender.sealEach(db, values));
  },
});

/** `method`: one value after the other, or all of them asked for at once. */
const openEach = (id, length, method = 'openEach') => ({
  id,
  takes: seals,
  async begin(contender, size) {
    const db = await contender.open();
    const values = texts(size, length, 0);
    return { db, values, envelopes: await contender.sealEach(db, values) };
  },
  async round(contender, { db, values, envelopes }) {
    let opened;
    const took = await timed(async () => {
      opened = await contender[method](db, envelopes);
    });
    if (opened.some((value, at) => value !== values[at])) throw new Error(`${contender.name} opened something else`);
    return took;
  },
});

/** The worked example of docs/encryption.md. */
const passphrase = 'Füße';
const wrapped = {
  kdf: 'PBKDF2-SHA256',
  iterations: 600_000,
  salt: 'sLGys7S1tre4ubq7vL2+vw==',
  iv: 'oKGio6Slpqeoqaqr',
  ciphertext: 'nJvhL9bcy4oMbz83+AqwqgbGjsNqTfpHQwy1tdyAxWtIEAZ8YTGYiT/RH1+AC6yT',
};

const unlock = {
  id: 'unlock',
  takes: (contender) => Boolean(contender.unlock),
  begin: async (contender) => ({ db: await contender.open({ seals: true }) }),
  round: (contender, { db }) => timed(() => contender.unlock(db, passphrase, wrapped)),
};

export const cipherTopics = [
  sealEach('seal-64', 64),
  openEach('open-64', 64),
  sealEach('seal-1k', 1024),
  openEach('open-1k', 1024),
  sealEach('seal-16k', 16 * 1024),
  openEach('open-16k', 16 * 1024),
  sealEach('seal-1m', 1024 * 1024),
  openEach('open-1m', 1024 * 1024),
  openEach('open-rows', 100, 'openTogether'),
  unlock,
];
