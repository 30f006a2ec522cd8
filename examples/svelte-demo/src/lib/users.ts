// The sample users, and the development server's way to sign them in.

export interface SampleUser {
  readonly id: string;
  readonly name: string;
}

export const sampleUsers: readonly SampleUser[] = [
  { id: 'alice', name: 'Alice' },
  { id: 'bob', name: 'Bob' },
];

/** The sample user with this id, if there is one. */
export function userById(id: string | null): SampleUser | undefined {
  return sampleUsers.find((user) => user.id === id);
}

/**
 * Asks the development server for a token.
 *
 * @throws TypeError when the server cannot be reached, Error when it answers anything but a token.
 */
export async function fetchToken(fetch: typeof globalThis.fetch, server: string, user: SampleUser): Promise<string> {
  const response = await fetch(`${server}/dev/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: user.id }),
  });
  if (!response.ok) throw new Error(`The server refused to sign in ${user.name}: status ${response.status}`);
  const answer: unknown = await response.json();
  const token = typeof answer === 'object' && answer !== null && 'token' in answer ? answer.token : null;
  if (typeof token !== 'string') throw new Error('The server sent no token');
  return token;
}
