// How the engine of a device hears that there is something to pull: as was chosen for this visit.
import type { Transport } from '@mana/sync-engine';

/** One transport alone, or the first of all that works. */
export type Way = 'auto' | Transport;

export const ways: Readonly<Record<Way, { readonly label: string; readonly hint: string }>> = {
  auto: { label: 'Whichever works', hint: 'A WebSocket, else a stream, else by asking.' },
  websocket: { label: 'WebSocket', hint: 'The server says at once that there is something new.' },
  stream: { label: 'Stream', hint: 'The server sends what is new at once, over plain HTTP.' },
  poll: { label: 'Asking', hint: 'The device asks every 30 seconds.' },
};

export function transportsOf(way: Way): readonly Transport[] {
  return way === 'auto' ? ['websocket', 'stream', 'poll'] : [way];
}

/** What was chosen for a device in this tab, since it was opened. */
export function readWay(device: string): Way {
  const stored = sessionStorage.getItem(keyOf(device));
  return stored !== null && stored in ways ? (stored as Way) : 'auto';
}

export function writeWay(device: string, way: Way): void {
  sessionStorage.setItem(keyOf(device), way);
}

function keyOf(device: string): string {
  return `mana-demo:${device}:transports`;
}
