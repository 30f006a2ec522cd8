// One device: its database, the user signed in on it, its way to the network, and whether its writes are saved.
import { type Engine, type EngineOptions, openEngine, type Transaction } from '@mana/sync-engine';
import { Activity } from './activity.svelte.ts';
import { explain } from './advice.ts';
import { Backup } from './backup.svelte.ts';
import { serverUrl } from './config.ts';
import { Conflicts } from './conflicts.ts';
import { Family } from './family.svelte.ts';
import { Letters } from './letters.svelte.ts';
import { Lock } from './lock.svelte.ts';
import { Network } from './network.svelte.ts';
import { Notebook } from './notebook.svelte.ts';
import { announce, told } from './notices.ts';
import { Quarantine } from './quarantine.svelte.ts';
import { firstTasks } from './samples.ts';
import { apps, encryption, type LineDraft, type Note, schema } from './schema.ts';
import { readSetting, writeSetting } from './storage.ts';
import type { Task } from './task.ts';
import { toasts } from './toasts.svelte.ts';
import { today } from './today.svelte.ts';
import { readWay, transportsOf, type Way, writeWay } from './transports.ts';
import { fetchToken, type SampleUser, sampleUsers, userById } from './users.ts';
import { View } from './view.svelte.ts';

/** Somebody who uses the app without an account: nothing leaves the device. */
const guestId = 'guest';

export type SaveState = 'idle' | 'saving' | 'saved' | 'failed';

export class Device {
  /** Part of the database's name. */
  readonly id: string;
  /** What the page calls this device. */
  readonly label: string;
  readonly network = new Network();
  readonly view = new View(this);
  readonly activity = new Activity();
  readonly lock = new Lock(this);
  readonly family = new Family(this);
  readonly letters = new Letters(this);
  readonly quarantine = new Quarantine(this);
  readonly conflicts = new Conflicts(this);
  readonly notebook = new Notebook(this);
  readonly backup = new Backup(this);
  /** Who uses this device: a sample user, null for a guest, undefined when nobody has been chosen. */
  user = $state.raw<SampleUser | null | undefined>(undefined);
  engine = $state.raw<Engine | null>(null);
  /** Why the database could not be opened. */
  failure = $state.raw<unknown>(null);
  /** What opening the database waits for, when that is worth a word. */
  opening = $state('');
  /** How the engine hears of news. */
  way = $state<Way>('auto');
  /** How many tasks of a guest the user may take into their account; 0 when there are none, or they wait for later. */
  offered = $state(0);
  #running = $state(0);
  readonly #writes = new Set<Promise<unknown>>();
  #drafts = $state(0);
  #last = $state<SaveState>('idle');
  #generation = 0;

  /** `welcomes`: somebody who was never here begins as a guest. */
  constructor(id: string, label: string, welcomes = false) {
    this.id = id;
    this.label = label;
    this.way = readWay(id);
    if (readSetting(`${id}:cut`)) this.network.cut();
    const stored = readSetting(`${id}:user`);
    const user = stored === guestId ? null : userById(stored);
    if (user !== undefined) void this.#open(user);
    else if (welcomes) void this.#welcome();
  }

  get tasks() {
    return this.#opened.table<Task>('tasks');
  }

  /** Lines that are typed and not added yet; they stay on this device. */
  get drafts() {
    return this.#opened.table<LineDraft>('drafts');
  }

  /** The notes of the notebook: reading them has them pulled. */
  get notes() {
    return this.#opened.table<Note>('notes');
  }

  /** Runs `body` in one transaction: all of it is saved, or nothing. */
  transaction<R>(tables: readonly string[], body: (tx: Transaction) => Promise<R>) {
    return this.#opened.transaction('rw', tables, body);
  }

  /** Keeps a task of the family's list from the others, or shows it to them. */
  setPrivate(id: string, hidden: boolean) {
    return this.#opened.setVisibility('tasks', id, hidden ? 'private' : 'space');
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

  /** Signs in; null uses the device as a guest. Whose database it is stays so: the first user's takes over a guest's. */
  signIn(user: SampleUser | null): void {
    this.#begin(user);
    void this.#open(user);
  }

  #begin(user: SampleUser | null): void {
    writeSetting(`${this.id}:user`, user?.id ?? guestId);
    const [own, guests] = [this.#databaseSetting(user), this.#databaseSetting(null)];
    if (readSetting(own)) return;
    if (!user) {
      const plain = this.#databaseName(null);
      const isTaken = sampleUsers.some((other) => this.#databaseName(other) === plain);
      writeSetting(own, isTaken ? `${plain}-${Date.now()}` : plain);
    } else if (readSetting(guests)) {
      writeSetting(own, readSetting(guests));
      writeSetting(guests, null);
    }
  }

  /** Ends the session and keeps the database for the next one. */
  async signOut(): Promise<void> {
    const engine = this.engine;
    writeSetting(`${this.id}:user`, null);
    this.#reset();
    await engine?.signOut().catch((error: unknown) => this.#tell('Signing out', error));
  }

  /** Takes the guest's tasks into the account, or leaves them for later, or deletes them. */
  async decide(what: 'take' | 'later' | 'delete'): Promise<void> {
    this.offered = 0;
    const { engine } = this;
    if (!engine || what === 'later') return;
    await this.attempt('Taking your tasks over', async () => {
      if (what === 'delete') return void (await engine.discardGuestData());
      const { adopted, existing } = await engine.adoptGuestData();
      const rest = existing.length > 0 ? ` ${existing.length} were there already and stay as they are.` : '';
      toasts.show({ kind: 'info', text: `${adopted} added to your account.${rest}` });
    });
    await this.#lookForGuests(engine);
  }

  /** Closes the database; the session stays for the next visit. */
  close(): void {
    this.engine?.close();
    this.#reset();
  }

  /**
   * Replaces the database by one that `make` leaves under its name, as an older app would have, and opens that. Refused
   * while the server lacks changes of this one.
   */
  async replaceDatabase(make: (options: EngineOptions) => Promise<void>): Promise<void> {
    const { engine, user } = this;
    if (!engine || user === undefined) return;
    await engine.destroy();
    this.#reset();
    this.user = user;
    this.opening = 'Putting an older database in place…';
    try {
      await make(this.#options(user));
    } finally {
      await this.#open(user);
    }
  }

  /** Opens the database anew, with an engine that hears of news in this way. What is being written is waited for. */
  async hearBy(way: Way): Promise<void> {
    await Promise.allSettled(this.#writes);
    const { engine, user } = this;
    if (!engine || user === undefined) return;
    this.way = way;
    writeWay(this.id, way);
    const told = this.conflicts.list;
    this.#reset();
    this.user = user;
    engine.close();
    await this.#open(user);
    this.conflicts.take(told);
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
    const written = (async () => write())();
    this.#writes.add(written);
    try {
      await written;
      this.#last = 'saved';
      return true;
    } catch (error) {
      this.#last = 'failed';
      this.#tell(doing, error);
      return false;
    } finally {
      this.#writes.delete(written);
      this.#running -= 1;
    }
  }

  /** Runs what is no write of the person's, and shows what goes wrong. */
  async attempt(doing: string, run: () => PromiseLike<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#tell(doing, error);
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

  /** Opens the list for somebody who was never here, with a few tasks to try. */
  async #welcome(): Promise<void> {
    this.#begin(null);
    await this.#open(null);
    const isFresh = (await this.engine?.table('tasks').count()) === 0;
    if (isFresh) await this.save('Adding the tasks', () => this.tasks.bulkAdd(firstTasks(today.day)));
  }

  /** What a guest left here is offered to who signed in. */
  async #lookForGuests(engine: Engine): Promise<void> {
    const { adopted } = await engine.adoptGuestData({ dryRun: true });
    if (this.engine === engine) this.offered = adopted;
  }

  #use(engine: Engine): void {
    this.engine = engine;
    this.family.follow(engine);
    if (this.user) {
      void this.attempt('Unlocking', () => this.lock.restore(engine));
      void this.attempt('Looking for earlier tasks', () => this.#lookForGuests(engine));
    }
    announce(engine);
    this.letters.follow(engine);
    this.quarantine.follow(engine);
    this.conflicts.follow(engine);
    this.activity.follow(engine);
    // Not by this page, which lets go of an engine before it closes it: a tab with a newer version needs the database.
    engine.on('closed', () => {
      if (this.engine === engine) this.failure = new Error('The database was closed');
    });
  }

  #tell(doing: string, error: unknown): void {
    toasts.show({ kind: 'error', ...explain(doing, error) });
  }

  #options(user: SampleUser | null): EngineOptions {
    const who = user && { id: user.id, displayName: user.name };
    return { name: this.#databaseName(user), schema, apps, encryption, user: who };
  }

  #databaseSetting(user: SampleUser | null): string {
    return `${this.id}:database:${user?.id ?? guestId}`;
  }

  /** A database belongs to one user: each gets one of their own on every device, but for who signs in where a guest was. */
  #databaseName(user: SampleUser | null): string {
    return readSetting(this.#databaseSetting(user)) ?? `mana-demo-${this.id}-${user?.id ?? guestId}`;
  }

  #openEngine(user: SampleUser | null): Promise<Engine> {
    const { fetch, WebSocket } = this.network;
    const getToken = user && (() => fetchToken(fetch, serverUrl, user));
    return openEngine({
      ...this.#options(user),
      transports: transportsOf(this.way),
      ...(getToken && { sync: { url: serverUrl, getToken, fetch, webSocket: WebSocket } }),
      on: told((text) => {
        this.opening = text;
      }),
    });
  }

  #reset(): void {
    this.#generation += 1;
    this.engine = null;
    this.user = undefined;
    this.failure = null;
    this.opening = '';
    this.#last = 'idle';
    this.view.reset();
    this.activity.clear();
    this.family.reset();
    this.letters.reset();
    this.quarantine.reset();
    this.conflicts.reset();
    this.notebook.reset();
    this.backup.reset();
    this.lock.fresh = '';
    this.offered = 0;
  }

  get #opened(): Engine {
    if (!this.engine) throw new Error('Nobody is signed in on this device');
    return this.engine;
  }
}
