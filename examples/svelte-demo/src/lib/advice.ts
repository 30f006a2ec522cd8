// What to do about an error, in the words of this app. The codes are those of the engine; see docs/errors.md.
import { ManaError, type ManaErrorCode } from '@mana/sync-engine';

const advice: Partial<Record<ManaErrorCode, string>> = {
  already_exists: 'This task is already there.',
  closed: 'This device was signed out meanwhile. Sign in again.',
  connection_lost: 'The browser closed the database. Do it once more.',
  engine_load_failed: 'Check the connection and reload the page.',
  engine_panicked: 'Nothing half-written was saved. Do it once more.',
  not_found: 'This task is gone. Perhaps it was deleted on another device.',
  other_user: 'This database belongs to somebody else. Sign in as that user.',
  quota_exceeded: 'Free some space on this device and try again.',
  read_only_space: 'You may read this space, not write to it.',
  schema_too_new: 'A newer version of this app was used here. Reload the page.',
  unsent_changes: 'Some changes have not reached the server. Go online and let them sync first.',
  unsupported_environment: 'Use a current browser with WebAssembly and IndexedDB.',
  value_not_syncable: 'Remove unusual characters from the text and try again.',
};

export interface Explained {
  readonly text: string;
  readonly advice: string;
  readonly code?: string;
}

/** Says what went wrong with `doing` (such as "Saving") and what the person can do. */
export function explain(doing: string, error: unknown): Explained {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof ManaError)) return { text: `${doing} failed: ${message}`, advice: 'Try again.' };
  const fallback = error.retryable ? 'Try again in a moment.' : 'Reload the page if it happens again.';
  return { text: `${doing} failed: ${message}`, advice: advice[error.code] ?? fallback, code: error.code };
}
