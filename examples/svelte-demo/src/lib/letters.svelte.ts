// What the server refused for good, of one device's user, and what the person does about it.
import { type Engine, ManaError } from '@mana/sync-engine';
import { explain } from './advice.ts';
import type { Device } from './device.svelte.ts';
import { inWords, type Letter, notAccepted } from './letter-words.ts';
import { toasts } from './toasts.svelte.ts';

/** The engine tells other tabs of rows and of what is on its way, but not of a letter that was thrown away. */
const tabs = new BroadcastChannel('mana-demo-letters');

export class Letters {
  readonly #device: Device;
  /** Oldest first. */
  list = $state.raw<readonly Letter[]>([]);
  /** Whether the list is open. */
  shown = $state(false);
  /** Whether something is being done about a letter. */
  busy = $state(false);
  /** What came of that, said in the open list. */
  outcome = $state('');
  #engine: Engine | null = null;
  /** The letters of the last look; null before the first one. */
  #known: ReadonlySet<string> | null = null;
  /** New ones since the list was open last, and the message that tells of them. */
  #fresh: readonly Letter[] = [];
  #message: number | null = null;
  #looking: Promise<void> = Promise.resolve();
  /** A look that has not begun: of what happens before it does, it tells all. */
  #next: Promise<void> | null = null;

  constructor(device: Device) {
    this.#device = device;
    tabs.addEventListener('message', () => void this.look());
  }

  /** Follows the letters of an engine while it is open. */
  follow(engine: Engine): void {
    this.#engine = engine;
    // The event comes in the tab that syncs. In the others the status says that there is less, or more, on its way.
    engine.on('dead-letter', () => void this.look());
    engine.on('change', () => void this.look());
    engine.sync.status.subscribe(() => void this.look());
  }

  reset(): void {
    this.#engine = null;
    this.#known = null;
    this.#tell([]);
    this.list = [];
    this.shown = false;
    this.outcome = '';
  }

  show(): void {
    this.outcome = '';
    this.shown = true;
    this.#tell([]);
    void this.look();
  }

  /** Reads the list anew, after a look that is under way. */
  look(): Promise<void> {
    this.#next ??= this.#looking.then(() => {
      this.#next = null;
      return this.#read();
    });
    this.#looking = this.#next;
    return this.#next;
  }

  /** Sends a letter again, and says what the server makes of it. */
  retry(letter: Letter): Promise<void> {
    return this.#decide('Trying again', async (engine) => {
      await engine.sync.deadLetters.retry(letter.id);
      const isSent = await engine.sync.syncNow().then(
        () => true,
        () => false,
      );
      await this.look();
      if (!isSent) return 'It is sent when the connection is back.';
      const isBack = this.list.some(({ records }) => records === letter.records);
      return isBack ? 'The server refused it again, for the reason given.' : 'The server accepted your change.';
    });
  }

  /** Takes a letter's changes back. */
  discard(letter: Letter): Promise<void> {
    return this.#decide('Discarding', async (engine) => {
      await engine.sync.deadLetters.discard(letter.id);
      return 'The change was discarded.';
    });
  }

  async #decide(doing: string, act: (engine: Engine) => Promise<string>): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.busy) return;
    this.busy = true;
    this.outcome = '';
    const outcome = await act(engine).catch((error: unknown) => {
      if (error instanceof ManaError && error.code === 'not_found') return 'This was decided in another tab.';
      const { text, advice } = explain(doing, error);
      return `${text} ${advice}`;
    });
    tabs.postMessage('decided');
    await this.look();
    this.#say(outcome);
    this.busy = false;
    if (this.list.length === 0) this.shown = false;
  }

  /** In the open list, or beside it when there is nothing left to list. */
  #say(outcome: string): void {
    if (this.list.length > 0) this.outcome = outcome;
    else toasts.show({ kind: 'info', text: outcome });
  }

  async #read(): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    await this.#device.attempt('Looking for changes that were not accepted', async () => {
      const list = await readLetters(engine);
      if (this.#engine !== engine || !list) return;
      this.list = list;
      if (list.length === 0 && !this.busy) this.shown = false;
      this.#notice(list);
    });
  }

  /** Tells of new letters, once; not of those that were there at the start, and not beside the open list. */
  #notice(list: readonly Letter[]): void {
    const known = this.#known;
    this.#known = new Set(list.map(({ id }) => id));
    const isNew = ({ id }: Letter) => known?.has(id) === false && !this.shown;
    const isUnseen = (letter: Letter) => isNew(letter) || this.#fresh.some(({ id }) => id === letter.id);
    const fresh = list.filter(isUnseen);
    // A message that was dismissed does not come back for the same letters.
    if (list.some(isNew) || fresh.length === 0) this.#tell(fresh);
  }

  /** Puts the message in place of the last one; of nothing there is none. */
  #tell(fresh: readonly Letter[]): void {
    if (this.#message !== null) toasts.dismiss(this.#message);
    this.#message = null;
    this.#fresh = fresh;
    const [only] = fresh;
    if (!only) return;
    const one = `Not accepted: ${only.what.charAt(0).toLowerCase()}${only.what.slice(1)}. ${only.why.text}`;
    const text = fresh.length === 1 ? one : `${notAccepted(fresh.length)}.`;
    this.#message = toasts.show({ kind: 'info', text, action: { label: 'Show', run: () => this.show() } });
  }
}

/** Nothing when the engine was closed meanwhile: that is told elsewhere. */
async function readLetters(engine: Engine): Promise<readonly Letter[] | undefined> {
  try {
    const letters = await engine.sync.deadLetters.list();
    return await Promise.all(letters.map((letter) => inWords(engine, letter)));
  } catch (error) {
    if (error instanceof ManaError && error.code === 'closed') return undefined;
    throw error;
  }
}
