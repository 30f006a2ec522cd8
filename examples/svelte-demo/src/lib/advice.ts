// What to do about an error, in the words of this app. The codes are those of the engine; see docs/errors.md.
import { ManaError, type ManaErrorCode } from '@mana/sync-engine';

/** For each code, so that none can be forgotten. */
const advice: Record<ManaErrorCode, string> = {
  already_exists: 'This task is already there.',
  archive_damaged: 'Nothing of it was taken. Use another copy of the file.',
  archive_too_large: 'Save fewer things at once, or without a passphrase.',
  archive_unreadable: 'Choose the file again.',
  bulk_failed: 'Correct these rows and add them again.',
  cancelled: 'Start it again when you like.',
  closed: 'This device was signed out meanwhile. Sign in again.',
  connection_lost: 'The browser closed the database. Do it once more.',
  decrypt_failed: 'Unlock with the newest key. The other fields of the task are as they were.',
  engine_load_failed: 'Check the connection and reload the page.',
  engine_panicked: 'Nothing half-written was saved. Do it once more.',
  filter_failed: 'Clear the search and report this.',
  immutable_field: 'Leave the field as it is, or add a new task.',
  internal: 'Reload the page, and report this.',
  invalid_argument: 'Nothing was saved. Report this.',
  invalid_record: 'Nothing was saved. Report this.',
  invalid_schema: 'Load the newest version of this app.',
  key_exhausted: 'Nothing was saved. Renew the key in the settings first.',
  key_malformed: 'Use the key as it was handed out.',
  key_outdated: 'Your key was changed. Unlock with the new one; nothing was saved.',
  manifest_invalid: 'Use another copy of the file.',
  not_an_archive: 'Choose a file whose name ends with .mana.',
  not_found: 'This task is gone. Perhaps it was deleted on another device.',
  not_the_author: 'Ask the person who made the task.',
  offline: 'Nothing to do: it is tried again by itself.',
  other_user: 'This database belongs to somebody else. Sign in as that user.',
  passphrase_required: 'Type the passphrase of this backup.',
  passphrase_wrong: 'Type it again, or use the recovery code.',
  quota_exceeded: 'Free some space on this device and try again.',
  read_only_space: 'You may read this space, not write to it.',
  read_only_transaction: 'Nothing was saved. Report this.',
  recovery_code_malformed: 'It has 64 digits and letters from A to F. Look for a missing or doubled one.',
  recovery_code_wrong: 'Look for a newer code: this one is mistyped or of another account.',
  rejected: 'The change stays on this device. Correct the task and save it again.',
  reserved_field: 'Delete or restore the task instead.',
  rotation_in_progress: 'Your key is being changed on another device. Unlock with that one.',
  row_invalid: 'Nothing of it was taken. Correct the line, or use another copy.',
  schema_too_new: 'A newer version of this app was used here. Reload the page.',
  schema_too_old: 'Open it with an older version of this app, and save it again after its update.',
  space_type_changed: 'Is the space to be shared? Then say so in the settings of the space.',
  sync_failed: 'Nothing to do: it is tried again by itself.',
  transaction_aborted: 'Nothing was saved. Do it once more.',
  transaction_inactive: 'Nothing was saved. An app fetches first, and begins the transaction then.',
  unique_on_synced: 'Load the newest version of this app.',
  unknown_app: 'Load the newest version of this app.',
  unknown_index: 'Add the index to the schema and raise its version.',
  unknown_space: 'Sign in again to learn which spaces are yours.',
  unknown_table: 'Load the newest version of this app.',
  unsent_changes: 'Some changes have not reached the server. Let them sync, and decide about those it did not accept.',
  unsupported_environment: 'Use a current browser with WebAssembly and IndexedDB.',
  unsupported_version: 'Load the newest version of this app.',
  upgrade_failed: 'Your tasks are as they were. Reload the page to try again.',
  value_not_syncable: 'Use texts, numbers and lists, or keep the value in a table that does not sync.',
  vault_locked: 'Nothing was saved. Unlock with your key or recovery code first.',
  wrong_passphrase: 'The file is whole. Type the passphrase again.',
  wrong_passphrase_or_damaged: 'Type the passphrase again; if it is right, use another copy of the file.',
  wrapped_key_malformed: 'Fetch the key again from where it is kept.',
};

export interface Explained {
  readonly text: string;
  readonly advice: string;
  readonly code?: string;
}

/** Says what went wrong with `doing` (such as "Saving") and what the person can do. */
export function explain(doing: string, error: unknown): Explained {
  const message = error instanceof Error ? error.message : String(error);
  const text = `${doing} failed: ${message}`;
  if (!(error instanceof ManaError)) return { text, advice: 'Try again.' };
  return { text: text + refusedRows(error), advice: advice[error.code], code: error.code };
}

/** Which rows of several were refused, and why. */
function refusedRows({ code, details }: ManaError): string {
  if (code !== 'bulk_failed') return '';
  const failures = (details?.failures ?? []) as readonly { readonly position: number; readonly code: string }[];
  return ` ${failures.map(({ position, code: reason }) => `Row ${position + 1}: ${reason}.`).join(' ')}`;
}
