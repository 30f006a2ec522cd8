// The examples of docs/svelte.md.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../support/places.mjs';

/** The files of the page, by the names that stand before them. */
export async function snippets() {
  const page = await readFile(join(root, 'docs/svelte.md'), 'utf8');
  const blocks = page.matchAll(/^`(\S+\.(?:svelte|ts))`:\n\n```(?:svelte|ts)\n(.*?)^```/gms);
  const named = new Map([...blocks].map(([, name, code]) => [name, code]));
  const all = page.match(/^```(?:svelte|ts)$/gm)?.length ?? 0;
  if (named.size === 0 || named.size !== all) throw new Error(`${all} examples, ${named.size} with names of their own`);
  return named;
}

/** Writes those that belong to no SvelteKit app into a directory. */
export async function writeSnippets(directory) {
  for (const [name, code] of await snippets()) if (!/^\+|^src/.test(name)) await writeFile(join(directory, name), code);
}
