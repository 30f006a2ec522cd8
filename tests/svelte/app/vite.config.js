// Components of Svelte 5; those named `*.four.svelte`, copies of others, are compiled by Svelte 4 and run with its runtime.
import { readFile } from 'node:fs/promises';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { compile } from 'svelte4/compiler';

const isOfFour = (id) => id.endsWith('.four.svelte');

const svelte4 = {
  name: 'svelte-4',
  enforce: 'pre',
  async load(id) {
    if (!isOfFour(id)) return undefined;
    const code = (await readFile(id, 'utf8')).replace('<svelte:options runes={false} />', '');
    const { js } = compile(code.replaceAll(/from 'svelte(\/store)?'/g, "from 'svelte4$1'"), {
      filename: id,
      sveltePath: 'svelte4',
      css: 'none',
    });
    return js;
  },
};

/** Counts the subscriptions that the package's shim begins and ends in the module: nobody else sees them. */
const counted = {
  name: 'counted-subscriptions',
  transform(code, id) {
    if (!/\/pkg\/glue\.js$|\/sync-engine\/glue\.js$/.test(id)) return undefined;
    const told = [
      ['subscribe(query, callback) {', 'begun'],
      ['unsubscribe(id) {', 'ended'],
    ].reduce((text, [method, name]) => {
      const [before, after, more] = text.split(`    ${method}`);
      if (after === undefined || more !== undefined) throw new Error(`the glue has no single ${method}`);
      return `${before}    ${method} globalThis.subscriptions.${name} += 1;${after}`;
    }, code);
    return `globalThis.subscriptions = { begun: 0, ended: 0 };\n${told}`;
  },
};

export default {
  plugins: [svelte4, svelte({ exclude: ['**/*.four.svelte'] }), counted],
  build: { target: 'es2022' },
};
