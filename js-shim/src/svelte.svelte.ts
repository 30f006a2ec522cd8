/**
 * Svelte 5: live queries and the sync status with getters that are reactive.
 *
 * No runes are needed: the getters ask for the query each time they are read, so whoever reads them depends on whatever the
 * query depends on, and outside of effects they simply give the value now.
 */

import { createSubscriber } from 'svelte/reactivity';
import { toStore } from 'svelte/store';
import { functionArgument } from './arguments.js';
import { sameItems } from './equality.js';
import type { ManaError } from './errors.js';
import type { Engine, LiveHandle, LiveStatus, Readable, Store, SyncStatus } from './types.js';
import type { VaultState } from './vault-types.js';

/** A function that gives the query to follow, or nothing while there is none. */
export type QueryInput<T> = () => Readable<T> | null | undefined | false;

/** A function that gives what `liveQuery` gave, made once outside of it, or nothing while there is none. */
export type HandleInput<V> = () => LiveHandle<V> | null | undefined | false;

type Rows<T> = readonly Readonly<T>[];

/** Follows the query that `input` gives; when state that `input` reads changes, the query that it then gives. */
export function live<T>(input: QueryInput<T>): LiveHandle<Rows<T>>;
export function live<V>(input: HandleInput<V>): LiveHandle<V>;
export function live(input: QueryInput<object> | HandleInput<unknown>): LiveHandle<unknown> {
  functionArgument(input, 'What live takes');
  return new ReactiveHandle<unknown>(() => {
    const found = input() || undefined;
    return found && 'live' in found ? found.live() : found;
  });
}

/** The engine's sync status. */
export function syncStatus(engine: Pick<Engine, 'sync'>): Store<SyncStatus> {
  return reactive(engine.sync.status);
}

/** Whether the user's key is here. */
export function vaultState(engine: Pick<Engine, 'vault'>): Store<VaultState> {
  return reactive(engine.vault.state);
}

/** A store whose value is reactive where it is read. */
function reactive<V>(store: Store<V>): Store<V> {
  const track = createSubscriber((update) => {
    let first = true;
    const off = store.subscribe(() => {
      if (!first) update();
    });
    first = false;
    return off;
  });
  return {
    get current() {
      track();
      return store.current;
    },
    subscribe: (run) => store.subscribe(run),
  };
}

interface Subscription {
  readonly key: string;
  readonly track: () => void;
}

/** A handle, and the way to follow it. */
interface Followable<V> extends LiveHandle<V> {
  follow(reader: () => void): () => void;
}

class ReactiveHandle<V> implements LiveHandle<V> {
  readonly #input: () => LiveHandle<V> | undefined;
  #subscription: Subscription | undefined;
  #last: V | undefined;

  constructor(input: () => LiveHandle<V> | undefined) {
    this.#input = input;
  }

  get key(): string {
    return this.#tracked()?.key ?? '';
  }

  get current(): V | undefined {
    const value = this.#tracked()?.current;
    // A filter written in `input` is a new function each time; what it lets through is mostly the same.
    const isSame = Array.isArray(value) && Array.isArray(this.#last) && sameItems(value, this.#last);
    if (!isSame) this.#last = value;
    return this.#last;
  }

  get status(): LiveStatus {
    return this.#tracked()?.status ?? 'loading';
  }

  get error(): ManaError | undefined {
    return this.#tracked()?.error;
  }

  subscribe(run: (value: V | undefined) => void): () => void {
    return toStore(() => this.current).subscribe(functionArgument(run, 'A subscriber'));
  }

  /** The handle as it is now; whoever reads along is told when its result changes. */
  #tracked(): Followable<V> | undefined {
    const handle = this.#input() as Followable<V> | undefined;
    if (handle?.key !== this.#subscription?.key) this.#subscription = handle && subscription(handle);
    this.#subscription?.track();
    return handle;
  }
}

/** All queries of one key are followed by one subscription, whatever their filters are. */
function subscription<V>(handle: Followable<V>): Subscription {
  return { key: handle.key, track: createSubscriber((update) => handle.follow(update)) };
}
