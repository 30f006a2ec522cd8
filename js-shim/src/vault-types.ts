/** The public types of encryption and the vault. */

import type { Store } from './types.js';

/** What is sealed before it is stored. */
export interface EncryptionOptions {
  /**
   * The fields to seal, by table. They are sealed in records that are the user's alone: in spaces of the user's own, in
   * tables of the user, and in private records of shared spaces. A sealed field cannot be in an index.
   */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** 1 while clients read the data that know no other format, 2 otherwise. */
  readonly format: 1 | 2;
}

/**
 * Names that sealed values stay bound to when a table or a field gets another one. Each stands for one table of its app, or
 * one sealed field of its table.
 */
export interface BoundNames {
  /** The table's name on the wire when its first value was sealed. */
  readonly table?: string;
  /** By a sealed field's present name, the one it had then. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** How the vault behaves. */
export interface VaultOptions {
  /** How long a write waits for the vault to be unlocked before it fails with `vault_locked`, in ms; 2,000 when left out. */
  readonly waitMs?: number;
  /**
   * Locks the vault in all tabs when nobody has written anything, pressed a key or used a pointer in any of them for so
   * long, in ms. Never when left out.
   */
  readonly idleLockMs?: number;
}

/** By the key itself: 32 bytes. */
export interface RawKeyUnlock {
  readonly rawKey: Uint8Array;
}

/** By a recovery code, and the key that was wrapped with it. */
export interface RecoveryUnlock extends RecoveryWrapped {
  readonly recoveryCode: string;
}

/** By a passphrase, and the key that was wrapped with it. */
export interface PassphraseUnlock {
  readonly passphrase: string;
  readonly wrapped: PassphraseWrapped;
}

/** A key that only a recovery code opens, in base64: safe to store anywhere. */
export interface RecoveryWrapped {
  readonly recoveryWrappedMk: string;
  readonly recoveryIv: string;
}

/** A key that only a passphrase opens: safe to store anywhere. */
export interface PassphraseWrapped {
  readonly kdf: 'PBKDF2-SHA256';
  readonly iterations: number;
  readonly salt: string;
  readonly iv: string;
  readonly ciphertext: string;
}

/** What the app keeps of a new key. The recovery code is for the person: the former one opens the former key only. */
export interface NewKey extends RecoveryUnlock {
  /** How many keys the user has had, counting this one. */
  readonly generation: number;
  /** The key's id, eight hexadecimal digits. */
  readonly keyId: string;
}

/** A rotation. */
export interface Rotation {
  /** The new key: 32 fresh random bytes. */
  readonly newKey: Uint8Array;
  /**
   * Keeps the new key where the user's devices find it, beside the former one, and resolves when it is safe; awaited
   * before anything is written. Throws where it cannot: then nothing changes.
   */
  readonly persist: (key: NewKey) => Promise<void> | void;
}

/**
 * Whether the user's key is here. `outdated`: one is, but the user has a newer one. It reads what was sealed before, and
 * writes that need the key fail with `key_outdated`; unlock with the newest.
 */
export type VaultState = 'locked' | 'unlocked' | 'outdated';

/** The user's key: here or not, in all tabs alike. */
export interface Vault {
  /** Whether it is here. */
  readonly state: Store<VaultState>;
  /** Unlocks in all tabs; live queries show what is sealed. */
  unlock(by: RawKeyUnlock | RecoveryUnlock | PassphraseUnlock): Promise<void>;
  /** Drops the key, and what was decrypted with it, in all tabs. */
  lock(): void;
  /**
   * Makes a new key the user's newest, and seals everything anew under it, in the background. Needs the server and format
   * 2. Resolves when the server knows of it: until then keep both keys. `rotation_in_progress`: another one was first, so
   * the new key is of no use. Where the connection broke meanwhile (`details.begun`) it goes on by itself.
   */
  rotate(rotation: Rotation): Promise<void>;
  /**
   * Makes a code that opens the user's newest key: the code is for the person to keep, the rest for the app. `vault_locked` without
   * the key, `key_outdated` with one that is not the newest.
   */
  createRecoveryCode(): Promise<RecoveryUnlock>;
  /**
   * Wraps the user's newest key with a passphrase: what `unlock` takes as `wrapped`, for the app to keep. Takes about as long
   * as an unlock. After a rotation it is made anew, because the former one opens the former key only. `vault_locked` without the key,
   * `key_outdated` with one that is not the newest.
   */
  createPassphraseWrap(passphrase: string): Promise<PassphraseWrapped>;
}
