/** `ManaError`: one class with a closed set of codes, for everything that can go wrong. */

/** Every code a `ManaError` can have; docs/errors.md says what each means and what to do. */
export const errorCodes = [
  // Calls that cannot work as they are written
  'already_exists',
  'bulk_failed',
  'filter_failed',
  'immutable_field',
  'invalid_argument',
  'invalid_record',
  'invalid_schema',
  'not_found',
  'reserved_field',
  'unique_on_synced',
  'unknown_app',
  'unknown_index',
  'unknown_table',
  'value_not_syncable',
  // Storage and transactions
  'closed',
  'connection_lost',
  'quota_exceeded',
  'read_only_transaction',
  'schema_too_new',
  'transaction_aborted',
  'transaction_inactive',
  // Users, spaces and the server
  'not_the_author',
  'offline',
  'other_user',
  'read_only_space',
  'rejected',
  'space_type_changed',
  'sync_failed',
  'unknown_space',
  'unsent_changes',
  // Keys and sealed values
  'decrypt_failed',
  'key_exhausted',
  'key_malformed',
  'key_outdated',
  'passphrase_wrong',
  'recovery_code_malformed',
  'recovery_code_wrong',
  'rotation_in_progress',
  'vault_locked',
  'wrapped_key_malformed',
  // Archives
  'archive_damaged',
  'archive_too_large',
  'archive_unreadable',
  'cancelled',
  'manifest_invalid',
  'not_an_archive',
  'passphrase_required',
  'row_invalid',
  'schema_too_old',
  'unsupported_version',
  'wrong_passphrase',
  'wrong_passphrase_or_damaged',
  // The engine itself
  'engine_load_failed',
  'engine_panicked',
  'internal',
  'unsupported_environment',
  'upgrade_failed',
] as const;

/** What went wrong, as a name that stays the same between versions. */
export type ManaErrorCode = (typeof errorCodes)[number];

/** What an error knows beside its code: the table, the path of a value, a call's name. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** The engine's error: `code` says what went wrong, `retryable` whether the same call can work later. */
export class ManaError extends Error {
  override readonly name = 'ManaError';
  /** What went wrong. */
  readonly code: ManaErrorCode;
  /** Whether the same call may work when it is made again later. */
  readonly retryable: boolean;
  /** Particulars, or `null`. */
  readonly details: ErrorDetails | null;

  constructor(code: ManaErrorCode, message: string, options: ManaErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? null;
  }
}

interface ManaErrorOptions {
  readonly retryable?: boolean;
  readonly details?: ErrorDetails | null;
  readonly cause?: unknown;
}

const known: ReadonlySet<string> = new Set(errorCodes);

/** Turns what an instance threw or rejected with into a `ManaError`; without a known code it is `internal`. */
export function toManaError(thrown: unknown): ManaError {
  if (thrown instanceof ManaError) return thrown;
  const { code, retryable, details } = fieldsOf(thrown);
  const message = messageOf(thrown);
  if (typeof code !== 'string') return new ManaError('internal', message, { cause: thrown });
  if (!known.has(code)) return new ManaError('internal', message, { cause: thrown, details: { code } });
  return new ManaError(code as ManaErrorCode, message, {
    retryable: retryable === true,
    details: typeof details === 'object' ? (details as ErrorDetails | null) : null,
    cause: thrown,
  });
}

/** Whether it has a code: what the module throws, and what this package does. */
export function isCoded(thrown: unknown): boolean {
  return typeof fieldsOf(thrown).code === 'string';
}

/** Shorthand for a call that can never work with what it was given. */
export function invalidArgument(message: string, details: ErrorDetails | null = null): ManaError {
  return new ManaError('invalid_argument', message, { details });
}

/** Reads what the app handed over: a field that is computed and throws, or a revoked proxy, is a wrong argument. */
export function readArgument<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ManaError) throw cause;
    throw new ManaError('invalid_argument', `An argument cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** What a call is answered with whose transaction has ended; `cause`: how the engine says so. */
export function transactionInactive(call: string, cause?: unknown): ManaError {
  const why = cause ? `: ${messageOf(cause)}` : '.';
  const text = `${call} was called after its transaction had ended${why}`;
  return new ManaError('transaction_inactive', text, { details: { call }, retryable: true, cause });
}

/** Does the work of a public call: where it finds its transaction ended, the error names that call, not one it is made of. */
export async function namedAs<V>(call: string, work: () => Promise<V>): Promise<V> {
  try {
    return await work();
  } catch (error) {
    const isInner = error instanceof ManaError && error.code === 'transaction_inactive' && error.details?.call;
    throw isInner ? transactionInactive(call, error.cause) : error;
  }
}

/** What every call in flight, and every later call of that instance, is answered with after a panic. */
export function enginePanicked(message: string): ManaError {
  const text = `The engine stopped (${message}) and is being replaced; nothing half-written was saved. Repeat the call.`;
  return new ManaError('engine_panicked', text, { retryable: true, details: { message } });
}

/** What calls in flight are answered with when the browser has closed the database. */
export function connectionLost(): ManaError {
  const text =
    'The browser closed the database, which is being opened again; nothing half-written was saved. Repeat the call.';
  return new ManaError('connection_lost', text, { retryable: true });
}

/** What calls are answered with after `close()`. */
export function engineClosed(): ManaError {
  return new ManaError('closed', 'The engine was closed.');
}

function fieldsOf(thrown: unknown): Partial<Record<'code' | 'retryable' | 'details', unknown>> {
  return typeof thrown === 'object' && thrown !== null ? thrown : {};
}

export function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return 'something that has no text was thrown';
  }
}
