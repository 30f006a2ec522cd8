/** The vault as the app sees it: keys go in here, and nothing but their state comes out. */

import { objectArgument } from './arguments.js';
import type { Connection } from './connection.js';
import { ValueStore } from './store.js';
import type { Store } from './types.js';
import type { PassphraseUnlock, RawKeyUnlock, RecoveryUnlock, Vault, VaultState } from './vault-types.js';

/** Stands in rows for a sealed value that cannot be opened now. Written back, it changes nothing. */
export class Sealed {
  /** Goes along where a row is copied as data, so that a copy is known for what it is. */
  readonly __sealed = true;

  toString(): string {
    return '[sealed]';
  }
}

/** The one object of its class, so that rows that show it stay the same. */
export const sealed: Sealed = Object.freeze(new Sealed());

/** Whether a row shows a sealed value that cannot be opened now. */
export function isLocked(row: object): boolean {
  return Object.values(row).includes(sealed);
}

/** The vault of `Engine`. */
export class EngineVault implements Vault {
  readonly #state = new ValueStore<VaultState>('locked');
  readonly #connection: () => Connection;

  constructor(connection: () => Connection) {
    this.#connection = connection;
  }

  get state(): Store<VaultState> {
    return this.#state;
  }

  async unlock(by: RawKeyUnlock | RecoveryUnlock | PassphraseUnlock): Promise<void> {
    const { passphrase } = objectArgument(by, 'What unlock takes') as Partial<PassphraseUnlock>;
    const raw = typeof passphrase === 'string' ? { ...by, normalized: passphrase.normalize('NFKC') } : { ...by };
    await this.#connection().run((instance) => instance.unlock(raw));
  }

  lock(): void {
    // While an instance is being replaced there is none, and the next one has no key.
    this.#connection().instance?.call((raw) => raw.lock());
  }

  createRecoveryCode(): Promise<RecoveryUnlock> {
    return this.#connection().run((raw) => raw.createRecoveryCode());
  }

  /** Takes over what an instance reports. A new instance begins without a key. */
  report(locked: boolean): void {
    this.#state.set(locked ? 'locked' : 'unlocked');
  }
}
