/** Handlers by event name; one that throws does not keep the others from being called. */

import { functionArgument, wordArgument } from './arguments.js';
import type { EngineEvents } from './types.js';

type Handler = (detail: never) => void;

/** All of them: test/types.check.ts holds that none is missing. */
export const eventNames =
  'change blocked versionchange closed upgrade adoption conflict integrity quarantine dead-letter telemetry needs-auth clock-skew storage-full update-required billing-required spaces space-removed database-lost rotation-due';

/** The name of an event; another one would never come. */
export function eventName<Name extends string>(name: Name): Name & keyof EngineEvents {
  return wordArgument<string>(name, eventNames.split(' '), "An event's name") as Name & keyof EngineEvents;
}

/** The handlers of an engine's events. */
export class Emitter<Events extends object> {
  readonly #handlers = new Map<keyof Events, Set<Handler>>();
  readonly #told = new Set<keyof Events>();

  /** Adds a handler and gives the function that takes it away. */
  on<Name extends keyof Events>(name: Name, handler: (detail: Events[Name]) => void): () => void {
    functionArgument(handler, 'A handler of events');
    // A wrapper of its own lets one function be added twice and taken away once.
    const own: Handler = (detail) => handler(detail);
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(own));
    return () => handlers.delete(own);
  }

  /** Calls the handlers of that name. */
  emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) guarded(handler as (detail: unknown) => void, detail);
  }

  /** The same for what happens once, however often it is noticed. */
  emitOnce<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.emit(name, detail);
  }
}

/** Calls the app's function; what it throws is reported as an uncaught error instead of stopping the caller. */
export function guarded<A>(run: (argument: A) => void, argument: A): void {
  try {
    run(argument);
  } catch (error) {
    if (typeof reportError === 'function') reportError(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}
