/** The vault as the app sees it: keys go in here, and nothing but their state comes out. */

import { objectArgument } from './arguments.js';
import type { Connection } from './connection.js';
import { invalidArgument, readArgument } from './errors.js';
import type { Instance } from './instance.js';
import { ValueStore } from './store.js';
import type { Store } from './types.js';
import type {
  PassphraseUnlock,
  PassphraseWrapped,
  RawKeyUnlock,
  RecoveryUnlock,
  Rotation,
  Vault,
  VaultState,
} from './vault-types.js';

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

/** What an instance says of its vault. */
export interface VaultReport {
  readonly locked: boolean;
  readonly outdated: boolean;
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
    const given = readArgument(() => ({ ...objectArgument(by, 'What unlock takes') }));
    const { passphrase } = given as Partial<PassphraseUnlock>;
    const raw = typeof passphrase === 'string' ? { ...given, normalized: passphrase.normalize('NFKC') } : given;
    await this.#connection().run((instance) => instance.unlock(raw));
  }

  lock(): void {
    const connection = this.#connection();
    const lock = (instance: Instance) => instance.call((raw) => raw.lock());
    if (connection.instance) lock(connection.instance);
    // While an instance is being replaced, the next one is told: the other tabs still have the key, and would give it.
    // Where there is no next one, there is nothing to lock.
    else connection.with(async (instance) => lock(instance)).catch(() => {});
  }

  async rotate(rotation: Rotation): Promise<void> {
    const { newKey, persist } = readArgument(() => {
      const { newKey, persist } = rotation ?? {};
      if (newKey instanceof Uint8Array && typeof persist === 'function') return { newKey, persist };
      throw invalidArgument('rotate takes a newKey of bytes and a function persist.');
    });
    await this.#connection().run((raw) => raw.rotate(newKey, persist));
  }

  createRecoveryCode(): Promise<RecoveryUnlock> {
    return this.#connection().run((raw) => raw.createRecoveryCode());
  }

  async createPassphraseWrap(passphrase: string): Promise<PassphraseWrapped> {
    if (typeof passphrase !== 'string' || passphrase === '') {
      throw invalidArgument('createPassphraseWrap takes a passphrase: a text that is not empty.');
    }
    return this.#connection().run((raw) => raw.createPassphraseWrap(passphrase.normalize('NFKC')));
  }

  /** Takes over what an instance reports. A new instance begins without a key. */
  report({ locked, outdated }: VaultReport): void {
    const state = locked ? 'locked' : outdated ? 'outdated' : 'unlocked';
    // Tabs that lock at the same time hear it from each other, too.
    if (state !== this.#state.current) this.#state.set(state);
  }

  /** Tells the engine of every sign that somebody uses the page, until it is closed. */
  watchUse(): void {
    if (typeof document === 'undefined') return;
    const signs = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'];
    const options = { capture: true, passive: true };
    const used = () => {
      const connection = this.#connection();
      connection.instance?.call((raw) => raw.vaultUsed());
      if (connection.closed) for (const sign of signs) document.removeEventListener(sign, used, options);
    };
    for (const sign of signs) document.addEventListener(sign, used, options);
  }
}
