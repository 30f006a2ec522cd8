/** One instance of the WASM module with its open database; every promise it owes is settled even if it dies. */

import { connectionLost, enginePanicked, isCoded, type ManaError, messageOf, toManaError } from './errors.js';
import type { Glue, RawEngine, RawHost, RawNetwork, RawOptions, RawTx } from './raw.js';
import { sealed } from './vault.js';

/** What an instance tells and asks its owner; `died` is called at most once. */
export interface Owner {
  readonly network: RawNetwork;
  readonly event: (name: string, detail: unknown) => void;
  /** Brings the data to a version, before the instance is open. */
  readonly upgrade: (instance: Instance, version: number, tx: RawTx) => Promise<void>;
  readonly died: (instance: Instance, error: ManaError) => void;
}

/** An instance. After a panic nothing of it settles any more, so each promise is raced against its death. */
export class Instance {
  readonly #owner: Owner;
  readonly #inFlight = new Set<(error: ManaError) => void>();
  #raw: RawEngine | undefined;
  #death: ManaError | undefined;
  #retired = false;

  private constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** Opens the database in a fresh instance. */
  static async open(glue: Glue, options: RawOptions, owner: Owner): Promise<Instance> {
    const instance = new Instance(owner);
    glue.onTrap((error) => instance.#die(messageOf(error)));
    instance.#raw = await instance.track(() => glue.openEngine(options, instance.#host()));
    return instance;
  }

  /** Calls into the instance; what it throws comes out as `ManaError`. */
  call<T>(work: (raw: RawEngine) => T): T {
    return this.#guard(() => work(this.#raw as RawEngine));
  }

  /** Calls something that answers with a promise. */
  run<T>(work: (raw: RawEngine) => Promise<T>): Promise<T> {
    return this.track(() => work(this.#raw as RawEngine));
  }

  /** The promise that `work` gives, or the instance's death, whichever comes first. */
  track<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#inFlight.add(reject);
      const settle = () => this.#inFlight.delete(reject);
      try {
        this.#guard(work).then(
          (value) => {
            settle();
            resolve(value);
          },
          (error) => {
            settle();
            reject(this.#mapped(error));
          },
        );
      } catch (error) {
        settle();
        reject(error);
      }
    });
  }

  /** Its events are no longer wanted: it was closed, or another takes its place. */
  retire(): void {
    this.#retired = true;
  }

  #host(): RawHost {
    return {
      ...this.#owner.network,
      sealed,
      // Later, because the app's handlers may call the engine, which is in the middle of something now.
      event: (name, detail) =>
        queueMicrotask(() => {
          if (name === 'lost') this.#end(connectionLost());
          else if (!this.#retired) this.#owner.event(name, detail);
        }),
      panicked: (message) => this.#die(message),
      upgrade: (version, tx) => this.#owner.upgrade(this, version, tx),
    };
  }

  #guard<T>(work: () => T): T {
    if (this.#death) throw this.#death;
    try {
      return work();
    } catch (error) {
      // Nothing of the module's own: it was thrown through the module's frames, which then let go of nothing they held.
      if (!isCoded(error)) this.#die(messageOf(error));
      throw this.#mapped(error);
    }
  }

  #mapped(error: unknown): ManaError {
    // A trap that no panic announced, such as a stack overflow: memory may be half-changed, so the instance is done for.
    if (error instanceof WebAssembly.RuntimeError) this.#die(error.message);
    const mapped = this.#death ?? toManaError(error);
    if (mapped.code === 'connection_lost') this.#end(mapped);
    return mapped;
  }

  /** It works, but has no database any more: it must neither lead nor talk to the server beside the one that takes its place. */
  #letGo(): void {
    try {
      this.#raw?.close();
    } catch {
      // Then it trapped, and everything it held was ended.
    }
  }

  #die(message: string): void {
    this.#end(enginePanicked(message));
  }

  /** Nothing of it settles any more: another one takes its place. */
  #end(death: ManaError): void {
    if (this.#death || this.#retired) return;
    this.#death = death;
    this.#retired = true;
    for (const reject of this.#inFlight) reject(death);
    this.#inFlight.clear();
    if (death.code === 'connection_lost') this.#letGo();
    this.#owner.died(this, death);
  }
}
