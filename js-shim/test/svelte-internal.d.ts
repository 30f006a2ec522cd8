/** The function that `$state({…})` is compiled to. */
declare module 'svelte/internal/client' {
  export function proxy<T>(value: T): T;
}
