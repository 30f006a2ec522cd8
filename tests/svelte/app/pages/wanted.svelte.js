/** What a component asks for, as state of the page around it. */
export function wantedState(first) {
  const state = $state(first);
  return state;
}
