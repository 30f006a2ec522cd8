// The key of one device's user: made once, with a recovery code that the person keeps; unlocked and locked after that.
import type { Engine, RecoveryWrapped } from '@mana/sync-engine';
import { live, syncStatus, vaultState } from '@mana/sync-engine/svelte';
import type { Device } from './device.svelte.ts';
import { keep, kept } from './keeper.ts';
import type { Settings } from './schema.ts';
import { readSetting, writeSetting } from './storage.ts';

/**
 * `none`: a guest has no key. `looking`: whether the account has one is not known yet. `setup`: it has none, or its code is
 * being shown.
 */
export type Phase = 'none' | 'looking' | 'setup' | 'locked' | 'unlocked';

/** The key of the record that keeps what the recovery code opens; the server may see that. */
const recordId = 'key';

export class Lock {
  readonly #device: Device;
  readonly #records = live(() => this.#table?.where(':id').equals(recordId));
  readonly #vault = $derived.by(() => this.#device.engine && vaultState(this.#device.engine));
  readonly #sync = $derived.by(() => this.#device.engine && syncStatus(this.#device.engine));
  /** The code that is being shown; empty when none is. */
  fresh = $state('');

  /** Whether the person has locked it since the page was opened. */
  closed = false;

  constructor(device: Device) {
    this.#device = device;
  }

  get phase(): Phase {
    if (!this.#device.engine || !this.#device.user) return 'none';
    if (this.fresh) return 'setup';
    if (this.#vault?.current !== 'locked') return 'unlocked';
    if (this.#wrapped) return 'locked';
    return this.#records.current && this.#sync?.current.lastSyncedAt ? 'setup' : 'looking';
  }

  get #table() {
    return this.#device.user ? this.#device.engine?.table<Settings>('settings') : undefined;
  }

  get #wrapped(): RecoveryWrapped | undefined {
    return this.#records.current?.[0]?.key;
  }

  get #name(): string {
    return `${this.#device.id}:${this.#device.user?.id}`;
  }

  /** Makes a key, and a code for it, to be shown. This device remembers the code before anything is sealed. */
  async create(): Promise<void> {
    const vault = this.#device.engine?.vault;
    await vault?.unlock({ rawKey: crypto.getRandomValues(new Uint8Array(32)) });
    const made = await vault?.createRecoveryCode();
    if (!made) return;
    const { recoveryCode, ...key } = made;
    await this.#remember(recoveryCode);
    await this.#table?.upsert(recordId, { key });
    this.fresh = recoveryCode;
  }

  /** The person has the code. */
  async finish(): Promise<void> {
    await this.#table?.upsert(recordId, { codeKept: true });
    this.fresh = '';
  }

  /** Unlocks with what this device remembers; false: it has to be asked. */
  async open(): Promise<boolean> {
    const code = await kept(this.#name);
    if (code) await this.unlock(code);
    return code !== null;
  }

  /** Unlocks with a code that the person typed. */
  async unlock(recoveryCode: string): Promise<void> {
    const record = await this.#table?.get(recordId);
    const wrapped = record?.key ?? this.#wrapped;
    if (!wrapped) return;
    await this.#device.engine?.vault.unlock({ recoveryCode, ...wrapped });
    await this.#remember(recoveryCode);
  }

  close(): void {
    this.closed = true;
    writeSetting(`${this.#name}:locked`, 'yes');
    this.#device.engine?.vault.lock();
  }

  /** At a visit: as the person left it, as soon as what the code opens is here. */
  async restore(engine: Engine): Promise<void> {
    if (this.#device.engine !== engine || readSetting(`${this.#name}:locked`)) return;
    const code = await kept(this.#name);
    if (!code) return;
    const record = await this.#table?.get(recordId);
    if (!record?.key) {
      const off = engine.on('change', (changes) => {
        if (!changes.some(({ table }) => table === 'settings')) return;
        off();
        void this.#device.attempt('Unlocking', () => this.restore(engine));
      });
      return;
    }
    await this.unlock(code);
    // Who left while the code was shown has yet to write it down.
    if (!record.codeKept) this.fresh = code;
  }

  async #remember(code: string): Promise<void> {
    writeSetting(`${this.#name}:locked`, null);
    await keep(this.#name, code);
  }
}
