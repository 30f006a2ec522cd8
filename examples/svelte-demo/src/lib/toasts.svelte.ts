// Short messages at the edge of the page: what went wrong and what to do, or an offer to undo.

export interface Toast {
  readonly id: number;
  readonly kind: 'info' | 'error';
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
  /** The stable code of an error. */
  readonly code?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

/** Milliseconds a message stays, and one that offers something; errors stay until they are dismissed. */
const infoStays = 8000;
const offerStays = 20_000;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #nextId = 1;

  /** Shows a message; gives what `dismiss` takes. */
  show(toast: Omit<Toast, 'id'>): number {
    const id = this.#nextId++;
    // The same error again replaces the earlier message instead of piling up.
    const others = this.list.filter((other) => !toast.code || other.code !== toast.code);
    this.list = [...others.slice(-2), { ...toast, id }];
    if (toast.kind === 'info') setTimeout(() => this.dismiss(id), toast.action ? offerStays : infoStays);
    return id;
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
