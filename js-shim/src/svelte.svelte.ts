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
import type { LiveView } from './live-view.js';
import type { Engine, LiveHandle, LiveStatus, Readable, Store, SyncStatus } from './types.js';
import type { VaultState } from './vault-types.js';

/** A function that gives the query to follow, or nothing while there is none. */
export type QueryInput<T> = () => Readable<T> | null | undefined | false;

type Rows<T> = readonly Readonly<T>[];

/** Follows the query that `input` gives; when state that `input` reads changes, the query that it then gives. */
export function live<T>(input: QueryInput<T>): LiveHandle<Rows<T>> {
  return new ReactiveHandle(functionArgument(input, 'What live takes'));
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

class ReactiveHandle<T> implements LiveHandle<Rows<T>> {
  readonly #input: QueryInput<T>;
  #subscription: Subscription | undefined;
  #last: Rows<T> | undefined;

  constructor(input: QueryInput<T>) {
    this.#input = input;
  }

  get key(): string {
    return this.#tracked()?.key ?? '';
  }

  get current(): Rows<T> | undefined {
    const rows = this.#tracked()?.current;
    // A filter written in `input` is a new function each time; what it lets through is mostly the same.
    if (!rows || !this.#last || !sameItems(rows, this.#last)) this.#last = rows;
    return this.#last;
  }

  get status(): LiveStatus {
    return this.#tracked()?.status ?? 'loading';
  }

  get error(): ManaError | undefined {
    return this.#tracked()?.error;
  }

  subscribe(run: (value: Rows<T> | undefined) => void): () => void {
    return toStore(() => this.current).subscribe(run);
  }

  /** The handle of the query as it is now; whoever reads along is told when its result changes. */
  #tracked(): LiveView<T> | undefined {
    const handle = (this.#input() || undefined)?.live() as LiveView<T> | undefined;
    if (handle?.key !== this.#subscription?.key) this.#subscription = handle && subscription(handle);
    this.#subscription?.track();
    return handle;
  }
}

/** All queries of one key are followed by one subscription, whatever their filters are. */
function subscription<T>(handle: LiveView<T>): Subscription {
  return { key: handle.key, track: createSubscriber((update) => handle.follow(update)) };
}
