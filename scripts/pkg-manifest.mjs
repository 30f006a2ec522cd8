// Writes the package.json of the npm package.
//
// Usage: node scripts/pkg-manifest.mjs <version> <package directory>
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [version, directory] = process.argv.slice(2);

const manifest = {
  name: '@mana/sync-engine',
  version,
  description: 'Local-first sync engine for web apps: IndexedDB, field-level merge, live queries, sync',
  keywords: ['local-first', 'offline', 'sync', 'indexeddb', 'svelte', 'wasm'],
  license: 'MIT OR Apache-2.0',
  type: 'module',
  sideEffects: false,
  exports: {
    '.': { types: './index.d.ts', default: './index.js' },
    './svelte': {
      types: './svelte.svelte.d.ts',
      svelte: './svelte.svelte.js',
      default: './svelte.svelte.js',
    },
    './engine.wasm': './engine.wasm',
    './archive.wasm': './archive.wasm',
    './package.json': './package.json',
  },
  types: './index.d.ts',
  files: ['*.js', '*.js.map', '*.d.ts', 'engine.wasm', 'archive.wasm', 'snippets', 'LICENSE-*'],
  peerDependencies: { svelte: '>=5.7.0' },
  peerDependenciesMeta: { svelte: { optional: true } },
};

writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
