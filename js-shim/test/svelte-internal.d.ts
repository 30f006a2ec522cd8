/** What components are compiled to. */
declare module 'svelte/internal/client' {
  /** `$state({…})`. */
  export function proxy<T>(value: T): T;
  /** A tree of effects; gives the function that ends it. */
  export function effect_root(make: () => void): () => void;
  /** What a template reads. */
  export function render_effect(run: () => void): void;
}
