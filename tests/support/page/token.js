// Signs in at a development server, as the pages of the tests do.

/** A token for `user`. Throws where the server gives none: a page that cannot ask is offline, not signed out. */
export async function tokenFor(server, user = 'ada') {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${server}/dev/login`, { method: 'POST', headers, body: JSON.stringify({ user }) });
  if (!answer.ok) throw new Error(`/dev/login answered ${answer.status}`);
  const { token } = await answer.json();
  if (typeof token !== 'string') throw new Error('/dev/login gave no token');
  return token;
}
