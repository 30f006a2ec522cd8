/** Rows that are refused while the others of their call are written. */

import { ManaError } from './errors.js';

/** A row that was refused: its place in the call, and its own error. */
interface Refusal {
  readonly position: number;
  readonly message: string;
}

/** The error that names refused rows, where `write` fails with it alone: the others are written. */
export async function refusalOf(write: Promise<unknown>): Promise<ManaError | undefined> {
  try {
    await write;
    return undefined;
  } catch (error) {
    if (error instanceof ManaError && error.code === 'bulk_failed') return error;
    throw error;
  }
}

/** The rows that such an error names, where the write had those of the call that stood at `places`. */
export function refusals(error: ManaError | undefined, places: readonly number[]): Refusal[] {
  const failures = (error?.details?.failures ?? []) as Refusal[];
  return failures.map((failure) => ({ ...failure, position: places[failure.position] as number }));
}

/** Fails as a call over `count` rows of a table does, some of which were refused in one or several writes. */
export function requireNone(table: string, count: number, refused: Refusal[]): void {
  const failures = refused.sort((a, b) => a.position - b.position);
  const [first] = failures;
  if (!first) return;
  const text = `${failures.length} of ${count} records of ${table} were not written, the others were; the first of them, at position ${first.position}: ${first.message}`;
  throw new ManaError('bulk_failed', text, { details: { table, failures, successCount: count - failures.length } });
}
