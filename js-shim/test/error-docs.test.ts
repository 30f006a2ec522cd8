/** The codes of `ManaError` and the tables of docs/errors.md name the same things. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../src/errors.js';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The codes in the first column of the table under a heading, up to the next heading. */
function documented(heading: string): string[] {
  const [, rest = ''] = page.split(`${heading}\n`);
  const [section = ''] = rest.split('\n#');
  return [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code]) => code ?? '');
}

test.each(errorCodes)('%s is documented', (code) => {
  expect([...documented('### From the engine'), ...documented('### From the package')]).toContain(code);
});

test('what only the package throws is known to it', () => {
  expect(errorCodes).toEqual(expect.arrayContaining(documented('### From the package')));
});
