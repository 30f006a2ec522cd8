// A static web server with the strict Content-Security-Policy that apps are promised to work under.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const strictPolicy = (connectTo) =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    `connect-src ${["'self'", ...connectTo].join(' ')}`,
    "worker-src 'self'",
    'img-src data:',
  ].join('; ');

const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

/**
 * Serves a directory on a free port until `close` is called.
 *
 * `connectTo` lists other addresses that pages may ask, and may grow later; `typeOf` overrides the content type of an extension;
 * `fallback` answers unknown addresses with index.html, as the servers of single-page apps do.
 */
export async function serve(directory, { connectTo = [], typeOf = {}, fallback = false, hide = () => false } = {}) {
  const answer = async (path) => {
    if (hide(path)) throw new Error('hidden');
    return { body: await readFile(join(directory, path)), type: { ...types, ...typeOf }[extname(path)] };
  };
  const server = createServer(async (request, response) => {
    const asked = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const path = asked === '/' ? '/index.html' : asked;
    try {
      const { body, type } = await answer(path).catch((error) => {
        if (fallback) return answer('/index.html');
        throw error;
      });
      response.writeHead(200, {
        'content-security-policy': strictPolicy(connectTo),
        'content-type': type ?? 'application/octet-stream',
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections?.()),
  };
}
