/** The engine's present instance, and its replacement after a panic. */

import { engineClosed, type ManaError, toManaError } from './errors.js';
import { Instance } from './instance.js';
import type { ModuleSource } from './load.js';
import type { Glue, RawEngine, RawNetwork, RawOptions, RawTx } from './raw.js';

/** Where modules and instances come from. */
export interface Loader {
  loadModule(source?: ModuleSource): Promise<WebAssembly.Module>;
  createInstance(module: WebAssembly.Module): Glue;
}

/** What the connection tells the engine. */
export interface ConnectionHandlers {
  readonly network: RawNetwork;
  readonly event: (name: string, detail: unknown) => void;
  /** Brings the data to a version, before an instance is open. */
  readonly upgrade: (instance: Instance, version: number, tx: RawTx) => Promise<void>;
  /** The instance died; another one is on its way. */
  readonly died: (error: ManaError) => void;
  /** An instance took the place of another one. */
  readonly replaced: (instance: Instance) => void;
  /** No instance could take the place of the dead one; the next call, or a later moment, tries again. */
  readonly failed: (error: ManaError) => void;
}

/** An instance that lived for so long (milliseconds) did its work: its death is no continuation of earlier failures. */
const SOUND_MS = 10_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;

/** The way to the engine's WASM side: always one live instance, or one on its way. */
export class Connection {
  readonly #loader: Loader;
  readonly #module: WebAssembly.Module;
  readonly #handlers: ConnectionHandlers;
  readonly #options: RawOptions;
  #instance: Instance | undefined;
  #opening: Promise<Instance> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #openedAt = 0;
  #closed = false;

  private constructor(loader: Loader, module: WebAssembly.Module, options: RawOptions, handlers: ConnectionHandlers) {
    this.#loader = loader;
    this.#module = module;
    this.#options = options;
    this.#handlers = handlers;
  }

  /** Loads the module and opens the database. */
  static async open(
    loader: Loader,
    source: ModuleSource | undefined,
    options: RawOptions,
    handlers: ConnectionHandlers,
  ): Promise<Connection> {
    const connection = new Connection(loader, await loader.loadModule(source), options, handlers);
    connection.#take(await connection.#instantiate());
    return connection;
  }

  /** What instances are opened with; changed as user and spaces change, so that a replacement knows them. */
  get options(): RawOptions {
    return this.#options;
  }

  /** The instance, unless it is just being replaced or the engine was closed. */
  get instance(): Instance | undefined {
    return this.#instance;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Works with the instance: in this turn when there is one, else as soon as there is. */
  async with<T>(work: (instance: Instance) => Promise<T>): Promise<T> {
    if (this.#instance) return work(this.#instance);
    return work(await this.#replacement());
  }

  /** One call that answers with a promise. */
  run<T>(work: (raw: RawEngine) => Promise<T>): Promise<T> {
    return this.with((instance) => instance.run(work));
  }

  /** Closes; calls in flight end by themselves. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retire((instance) => instance.call((raw) => raw.close()));
  }

  /** Deletes the database and closes. */
  async destroy(force: boolean): Promise<void> {
    await this.run((raw) => raw.destroy(force));
    this.#closed = true;
    this.#retire(() => {});
  }

  /** Deletes the database and opens a new one with what `options` now says. */
  async recreate(force: boolean, change: Partial<RawOptions>): Promise<void> {
    await this.run((raw) => raw.destroy(force));
    this.#retire(() => {});
    Object.assign(this.#options, change);
    await this.#replacement();
  }

  #retire(last: (instance: Instance) => void): void {
    clearTimeout(this.#timer);
    const instance = this.#instance;
    this.#instance = undefined;
    if (!instance) return;
    try {
      last(instance);
    } finally {
      instance.retire();
    }
  }

  async #replacement(): Promise<Instance> {
    if (this.#closed) throw engineClosed();
    clearTimeout(this.#timer);
    this.#opening ??= this.#replace().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #replace(): Promise<Instance> {
    try {
      const instance = await this.#instantiate();
      if (this.#closed) {
        instance.call((raw) => raw.close());
        throw engineClosed();
      }
      this.#take(instance);
      this.#handlers.replaced(instance);
      return instance;
    } catch (thrown) {
      const error = toManaError(thrown);
      if (!this.#closed) this.#retryLater(error);
      throw error;
    }
  }

  #take(instance: Instance): void {
    this.#instance = instance;
    this.#openedAt = performance.now();
  }

  #retryLater(error: ManaError): void {
    this.#failures += 1;
    this.#handlers.failed(error);
    this.#schedule();
  }

  /** Opens a new instance after a while that grows with each failure; a call that comes earlier does not wait for it. */
  #schedule(): void {
    const wait = this.#failures <= 1 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 4 ** (this.#failures - 2));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#replacement().catch(() => {}), wait);
  }

  #instantiate(): Promise<Instance> {
    const { network, event, upgrade } = this.#handlers;
    const died = (instance: Instance, error: ManaError) => this.#died(instance, error);
    // A copy: the options may change while the instance reads them.
    return Instance.open(this.#loader.createInstance(this.#module), structuredClone(this.#options), {
      network,
      event,
      upgrade,
      died,
    });
  }

  #died(instance: Instance, error: ManaError): void {
    if (this.#instance !== instance) return;
    this.#instance = undefined;
    this.#handlers.died(error);
    this.#failures = performance.now() - this.#openedAt < SOUND_MS ? this.#failures + 1 : 1;
    this.#schedule();
  }
}
