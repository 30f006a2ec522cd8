/** Rows that are refused while the others of their call are written. */

import { ManaError } from './errors.js';

/** A row that was refused: its place in the call, and its own error. */
export interface Refusal {
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

/** Fails where rows were refused in one or several writes of a call over `count` rows. */
export function requireNone(table: string, count: number, failures: Refusal[]): void {
  const [first] = failures.sort((a, b) => a.position - b.position);
  if (!first) return;
  const text = `${failures.length} of ${count} records of ${table} were not written, the others were; the first of them: ${first.message}`;
  throw new ManaError('bulk_failed', text, { details: { table, failures, successCount: count - failures.length } });
}
