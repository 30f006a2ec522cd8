// One device: its database, the user signed in on it, its way to the network, and whether its writes are saved.
import { type Engine, openEngine } from '@mana/sync-engine';
import { explain } from './advice.ts';
import { serverUrl } from './config.ts';
import { Network } from './network.svelte.ts';
import { announce } from './notices.ts';
import { readSetting, writeSetting } from './storage.ts';
import type { Task } from './task.ts';
import { toasts } from './toasts.svelte.ts';
import { fetchToken, type SampleUser, userById } from './users.ts';

/** Somebody who uses the app without an account: nothing leaves the device. */
const guestId = 'guest';

export type SaveState = 'idle' | 'saving' | 'saved' | 'failed';

export class Device {
  /** Part of the database's name. */
  readonly id: string;
  /** What the page calls this device. */
  readonly label: string;
  readonly network = new Network();
  /** Who uses this device: a sample user, null for a guest, undefined when nobody has been chosen. */
  user = $state.raw<SampleUser | null | undefined>(undefined);
  engine = $state.raw<Engine | null>(null);
  /** Why the database could not be opened. */
  failure = $state.raw<unknown>(null);
  #running = $state(0);
  #drafts = $state(0);
  #last = $state<SaveState>('idle');
  #generation = 0;

  constructor(id: string, label: string) {
    this.id = id;
    this.label = label;
    if (readSetting(`${id}:cut`)) this.network.cut();
    const stored = readSetting(`${id}:user`);
    const user = stored === guestId ? null : userById(stored);
    if (user !== undefined) void this.#open(user);
  }

  get tasks() {
    if (!this.engine) throw new Error('Nobody is signed in on this device');
    return this.engine.table<Task>('tasks');
  }

  /** `saved` means: what the page shows is in the database. */
  get saveState(): SaveState {
    if (this.#running > 0) return 'saving';
    return this.#drafts > 0 && this.#last !== 'failed' ? 'saving' : this.#last;
  }

  /** Counts texts that are typed and not yet written. */
  countDraft(change: 1 | -1): void {
    this.#drafts += change;
  }

  /** Signs in; null uses the device as a guest. */
  signIn(user: SampleUser | null): void {
    writeSetting(`${this.id}:user`, user?.id ?? guestId);
    void this.#open(user);
  }

  /** Ends the session and keeps the database for the next one. */
  async signOut(): Promise<void> {
    const engine = this.engine;
    writeSetting(`${this.id}:user`, null);
    this.#reset();
    await engine?.signOut().catch((error: unknown) => this.#tell('Signing out', error));
  }

  /** Closes the database; the session stays for the next visit. */
  close(): void {
    this.engine?.close();
    this.#reset();
  }

  /** Cuts the network of this device, or lets it through again. */
  setConnected(connected: boolean): void {
    writeSetting(`${this.id}:cut`, connected ? null : 'yes');
    if (connected) this.network.restore();
    else this.network.cut();
    // The engine would notice by itself at its next attempt; a person who flips a switch wants to see it now.
    void this.syncNow();
  }

  /** Pushes and pulls at once. How it went shows in the sync state. */
  async syncNow(): Promise<void> {
    if (this.user) await this.engine?.sync.syncNow().catch(() => {});
  }

  /** Runs a write and keeps the save state and the messages up to date. Resolves to whether it was saved. */
  async save(doing: string, write: () => PromiseLike<unknown>): Promise<boolean> {
    this.#running += 1;
    try {
      await write();
      this.#last = 'saved';
      return true;
    } catch (error) {
      this.#last = 'failed';
      this.#tell(doing, error);
      return false;
    } finally {
      this.#running -= 1;
    }
  }

  async #open(user: SampleUser | null): Promise<void> {
    this.#reset();
    this.user = user;
    const generation = this.#generation;
    try {
      const engine = await this.#openEngine(user);
      if (generation === this.#generation) this.#use(engine);
      else engine.close();
    } catch (error) {
      if (generation === this.#generation) this.failure = error;
    }
  }

  #use(engine: Engine): void {
    this.engine = engine;
    announce(this, engine);
    // Not by this page, which lets go of an engine before it closes it: a tab with a newer version needs the database.
    engine.on('closed', () => {
      if (this.engine === engine) this.failure = new Error('The database was closed');
    });
  }

  #tell(doing: string, error: unknown): void {
    toasts.show({ kind: 'error', ...explain(doing, error) });
  }

  #openEngine(user: SampleUser | null): Promise<Engine> {
    const { fetch, WebSocket } = this.network;
    const getToken = user && (() => fetchToken(fetch, serverUrl, user));
    return openEngine({
      // A database belongs to one user: each gets one of their own on every device.
      name: `mana-demo-${this.id}-${user?.id ?? guestId}`,
      schema: { version: 1, stores: { tasks: 'id' } },
      apps: { todo: { sync: 'eager', tables: { tasks: {} } } },
      user: user && { id: user.id, displayName: user.name },
      ...(getToken && { sync: { url: serverUrl, getToken, fetch, webSocket: WebSocket } }),
    });
  }

  #reset(): void {
    this.#generation += 1;
    this.engine = null;
    this.user = undefined;
    this.failure = null;
    this.#last = 'idle';
  }
}
