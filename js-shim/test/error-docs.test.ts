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
  const sections = ['### From the engine', '### From the package', '### From archives'];
  expect(sections.flatMap(documented)).toContain(code);
});

test('what only the package and its archives throw is known to it', () => {
  for (const section of ['### From the package', '### From archives']) {
    expect(documented(section).length).toBeGreaterThan(0);
    expect(errorCodes).toEqual(expect.arrayContaining(documented(section)));
  }
});
