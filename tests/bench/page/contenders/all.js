// Who takes part; the names are the columns of the results.
import { archivers } from './archives.js';
import { moduleCiphers, webCiphers } from './ciphers.js';
import { bareDexie, hookedDexie } from './dexie.js';
import { engine } from './engine.js';
import { plainFloor, storedFloor } from './raw.js';
import { webCrypto } from './webcrypto.js';

/** `engines`: the packages to measure, by their directory. */
export async function contenders(engines) {
  const built = await Promise.all(engines.map(engine));
  return [
    plainFloor(),
    storedFloor(),
    bareDexie(),
    hookedDexie(),
    webCrypto(),
    webCiphers(),
    ...built,
    moduleCiphers(),
    ...archivers(engines),
  ];
}
