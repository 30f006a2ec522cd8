// Listening on a free local port, and letting go of it.

/**
 * @param {import('node:http').Server} server
 * @returns {Promise<string>} its address, such as `http://127.0.0.1:41234`
 */
export async function listen(server) {
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/** Closes the server and every connection it has. */
export function unlisten(server) {
  return new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
}
