// What a server does that renders the app: it imports the package. Reports what that touched.
const touched = [];
for (const name of ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming']) {
  WebAssembly[name] = () => touched.push(`WebAssembly.${name}`);
}
globalThis.fetch = () => touched.push('fetch');

const { openEngine } = await import('@mana/sync-engine');
await import('@mana/sync-engine/svelte');
const error = await openEngine({ name: 'x', schema: { version: 1, stores: {} }, apps: {} }).catch((caught) => caught);
console.log(JSON.stringify({ touched, code: error.code, name: error.name }));
