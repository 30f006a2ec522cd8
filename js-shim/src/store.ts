/** A value with followers: the store contract for things that are not query results. */

import { functionArgument } from './arguments.js';
import { guarded } from './events.js';
import type { Store } from './types.js';

/** A store that the engine sets. */
export class ValueStore<V> implements Store<V> {
  readonly #readers = new Set<(value: V) => void>();
  #current: V;

  constructor(initial: V) {
    this.#current = initial;
  }

  get current(): V {
    return this.#current;
  }

  set(value: V): void {
    this.#current = value;
    for (const reader of [...this.#readers]) if (this.#readers.has(reader)) guarded(reader, value);
  }

  subscribe(run: (value: V) => void): () => void {
    functionArgument(run, 'A subscriber');
    const own = (value: V) => run(value);
    run(this.#current);
    this.#readers.add(own);
    return () => {
      this.#readers.delete(own);
    };
  }
}
