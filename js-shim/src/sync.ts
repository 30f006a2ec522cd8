/** The sync loop as the app sees it: started and stopped here, run by the engine. */

import { textArgument } from './arguments.js';
import type { Connection } from './connection.js';
import { engineClosed } from './errors.js';
import type { Instance } from './instance.js';
import type { RawStatus } from './raw.js';
import { ValueStore } from './store.js';
import type {
  CheckResult,
  DeadLetter,
  DeadLetters,
  QuarantineCount,
  Store,
  Sync,
  SyncState,
  SyncStatus,
} from './types.js';

/** What the status is until the engine has said something. */
export const initialStatus: SyncStatus = Object.freeze({
  state: 'local',
  pending: 0,
  lastSyncedAt: null,
  error: null,
  progress: Object.freeze([]),
});

/** States that only the app's word ends. */
const untilTold: readonly SyncState[] = ['needs-auth', 'update-required', 'billing-required'];

/** The sync of `Sync`. */
export class EngineSync implements Sync {
  readonly #status = new ValueStore<SyncStatus>(initialStatus);
  readonly deadLetters: DeadLetters;
  readonly #connection: () => Connection;
  #wanted = false;

  constructor(connection: () => Connection) {
    this.#connection = connection;
    this.deadLetters = new EngineDeadLetters(connection);
  }

  get status(): Store<SyncStatus> {
    return this.#status;
  }

  start(): void {
    const waits = untilTold.includes(this.#status.current.state);
    this.#call((instance) => instance.call((raw) => raw.syncStart()));
    this.#wanted = true;
    // To one that runs, a start says nothing. How this goes shows in the status.
    if (waits) this.syncNow().catch(() => {});
  }

  stop(): void {
    this.#call((instance) => instance.call((raw) => raw.syncStop()));
    this.#wanted = false;
  }

  syncNow(): Promise<void> {
    return this.#connection().run((raw) => raw.syncNow());
  }

  async ensure(appId: string): Promise<void> {
    const app = textArgument(appId, "An app's id");
    await this.#connection().run((raw) => raw.ensure(app));
  }

  resync(): Promise<void> {
    return this.#connection().run((raw) => raw.resync());
  }

  async check(): Promise<CheckResult> {
    const { tables, ...rest } = await this.#connection().run((raw) => raw.check());
    return { ...rest, tables: tables.map(({ spaceId = null, ...table }) => ({ ...table, spaceId })) };
  }

  unsentCount(): Promise<number> {
    return this.#connection().run((raw) => raw.unsentCount());
  }

  quarantine(): Promise<readonly QuarantineCount[]> {
    return this.#connection().run((raw) => raw.quarantine());
  }

  /** Takes over what an instance reports. */
  report(status: RawStatus): void {
    this.#status.set(Object.freeze({ ...status }));
  }

  /** Brings a new instance to where the last one was. */
  resume(instance: Instance): void {
    if (this.#wanted) instance.call((raw) => raw.syncStart());
    this.report(instance.call((raw) => raw.syncStatus()));
  }

  /** While an instance is being replaced there is none; `resume` then does what was wanted. */
  #call(work: (instance: Instance) => void): void {
    const connection = this.#connection();
    if (connection.closed) throw engineClosed();
    if (connection.instance) work(connection.instance);
  }
}

/** The dead letters of `Sync`. */
class EngineDeadLetters implements DeadLetters {
  readonly #connection: () => Connection;

  constructor(connection: () => Connection) {
    this.#connection = connection;
  }

  list(): Promise<readonly DeadLetter[]> {
    return this.#connection().run((raw) => raw.deadLetters());
  }

  async retry(id: string): Promise<void> {
    const letter = textArgument(id, "A dead letter's id");
    await this.#connection().run((raw) => raw.retryLetter(letter));
  }

  async discard(id: string): Promise<void> {
    const letter = textArgument(id, "A dead letter's id");
    await this.#connection().run((raw) => raw.discardLetter(letter));
  }
}
