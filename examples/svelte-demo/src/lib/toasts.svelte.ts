// Short messages at the edge of the page: what went wrong and what to do, or an offer to undo.

/** What a person can do about a message. */
export interface ToastAction {
  readonly label: string;
  /** What it is about, for who hears the button without what stands beside it. */
  readonly about?: string;
  readonly run: () => void;
  /** The message stays until whoever shows it takes it away: what is done may fail. */
  readonly stays?: boolean;
}

/** One of several things that a message tells of. */
export interface ToastItem {
  readonly key: string;
  readonly text: string;
  readonly advice?: string;
  readonly action: ToastAction;
}

export interface Toast {
  readonly id: number;
  readonly kind: 'info' | 'error';
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
  /** The stable code of an error. */
  readonly code?: string;
  readonly action?: ToastAction;
  /** What it tells of, in a list that can be opened. */
  readonly items?: readonly ToastItem[];
  /** It neither goes by itself nor makes room for others: what it offers is offered nowhere else. */
  readonly stays?: boolean;
  /** Called when it is gone, whoever took it away. */
  readonly ondismiss?: () => void;
}

/** Milliseconds a message stays, and one that offers something; errors stay until they are dismissed. */
const infoStays = 8000;
const offerStays = 20_000;

/** How many messages are shown, but for those that stay. */
const shown = 3;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #nextId = 1;
  #attended = false;
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();

  /** Shows a message; gives what `update` and `dismiss` take. */
  show(toast: Omit<Toast, 'id'>): number {
    const id = this.#nextId++;
    // The same error again replaces the earlier message instead of piling up.
    const others = this.list.filter((other) => !toast.code || other.code !== toast.code);
    this.list = [...this.#withRoom(others), { ...toast, id }];
    this.#count(id);
    return id;
  }

  /** Puts other words in place of a message, where it stands: the focus stays in it. */
  update(id: number, toast: Omit<Toast, 'id'>): void {
    this.list = this.list.map((other) => (other.id === id ? { ...toast, id } : other));
    this.#count(id);
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    const gone = this.list.find((toast) => toast.id === id);
    this.list = this.list.filter((toast) => toast !== gone);
    gone?.ondismiss?.();
  }

  /** While a person points at the messages or has the focus in them, none goes by itself. After that each has its full time. */
  attend(attended: boolean): void {
    if (attended === this.#attended) return;
    this.#attended = attended;
    for (const { id } of this.list) this.#count(id);
  }

  /** The oldest go, unless somebody is at them. */
  #withRoom(list: readonly Toast[]): readonly Toast[] {
    const passing = list.filter(({ stays }) => !stays);
    const tooMany = this.#attended ? [] : passing.slice(0, Math.max(0, passing.length - (shown - 1)));
    return list.filter((toast) => !tooMany.includes(toast));
  }

  #count(id: number): void {
    clearTimeout(this.#timers.get(id));
    const toast = this.list.find((other) => other.id === id);
    if (!toast || toast.kind === 'error' || toast.stays || this.#attended) return;
    const time = toast.action ? offerStays : infoStays;
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), time),
    );
  }
}

export const toasts = new Toasts();
