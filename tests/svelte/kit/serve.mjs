// Runs the built app on a free port and prints its address, then, for each request, what of a browser's its rendering touched.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const touched = [];

/** Notes what is called by anybody but Node itself. */
function watch(owner, name) {
  const real = owner[name];
  Object.defineProperty(owner, name, {
    configurable: true,
    get() {
      if (!new Error().stack.split('\n')[2].includes('node:')) touched.push(name);
      return real;
    },
  });
}

for (const name of ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming', 'Module', 'Instance']) {
  watch(WebAssembly, name);
}
for (const name of ['fetch', 'BroadcastChannel', 'setTimeout', 'setInterval', 'indexedDB', 'localStorage']) {
  watch(globalThis, name);
}

const { handler } = await import(pathToFileURL(process.argv[2]));
const server = createServer((request, response) => {
  if (request.url === '/touched') response.end(JSON.stringify(touched));
  else {
    touched.length = 0;
    handler(request, response);
  }
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
