// The present day, which moves on at midnight while the page stays open.
import { createSubscriber } from 'svelte/reactivity';
import { dayOf } from './dates.ts';

/** Milliseconds between two looks at the clock. */
const interval = 30_000;

class Today {
  #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, interval);
    document.addEventListener('visibilitychange', update);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', update);
    };
  });

  get day(): string {
    this.#subscribe();
    return dayOf(new Date());
  }
}

export const today = new Today();
