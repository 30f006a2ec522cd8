// Backups of one device: saving the person's records in a file, and bringing a file back.
import type { ArchiveInfo, ArchiveProgress, ExportOptions, ImportResult } from '@mana/sync-engine';
import { type Explained, explain } from './advice.ts';
import { appliedWords, notHereAdvice, savedWords } from './backup-words.ts';
import type { Device } from './device.svelte.ts';
import { toasts } from './toasts.svelte.ts';

/** A file that was chosen, and what it says of itself. */
export interface Chosen {
  readonly file: File;
  readonly info: ArchiveInfo;
}

export class Backup {
  readonly #device: Device;
  /** Whether the dialog is open. */
  shown = $state(false);
  /** How far saving or bringing back is; null: neither goes on. */
  progress = $state.raw<ArchiveProgress | null>(null);
  /** What came of it, in words. */
  outcome = $state('');
  failure = $state.raw<Explained | null>(null);
  chosen = $state.raw<Chosen | null>(null);
  /** What bringing the chosen file back would change. */
  preview = $state.raw<ImportResult | null>(null);
  /** What it changed. */
  result = $state.raw<ImportResult | null>(null);
  /** How many records each module has here; null where that is not known. */
  counts = $state.raw<Readonly<Record<string, number | null>>>({});
  #work = $state.raw<AbortController | null>(null);

  constructor(device: Device) {
    this.#device = device;
  }

  get busy(): boolean {
    return this.#work !== null;
  }

  open(): void {
    this.reset();
    this.shown = true;
    void this.#count();
  }

  reset(): void {
    this.cancel();
    this.shown = false;
    this.#forget();
    this.chosen = null;
  }

  cancel(): void {
    this.#work?.abort();
  }

  /** Writes a file and gives it to the browser, which saves it. */
  save(options: Pick<ExportOptions, 'appIds' | 'spaces' | 'passphrase'>): Promise<boolean> {
    return this.#run('Saving the backup', async (archive, more) => {
      const { blob, fileName, rowCounts, missing } = await archive.export({ ...options, ...more });
      download(blob, fileName);
      this.outcome = savedWords(fileName, blob.size, rowCounts, missing.length);
    });
  }

  /** Looks at a file; whether it is sealed shows without its passphrase. */
  choose(file: File): Promise<boolean> {
    return this.#run('Reading the file', async (archive) => {
      this.chosen = null;
      this.chosen = { file, info: await archive.inspect(file) };
    });
  }

  /** Finds out what bringing the file back would change. */
  look(passphrase: string | undefined, overwrite: boolean): Promise<boolean> {
    return this.#import('Reading the backup', passphrase, overwrite, true);
  }

  /** Brings it back. */
  restore(passphrase: string | undefined, overwrite: boolean): Promise<boolean> {
    return this.#import('Bringing the backup back', passphrase, overwrite, false);
  }

  #import(doing: string, passphrase: string | undefined, overwrite: boolean, dryRun: boolean): Promise<boolean> {
    return this.#run(doing, async (archive, more) => {
      if (!this.chosen) return;
      const words = passphrase === undefined ? {} : { passphrase };
      const mode = overwrite ? 'overwrite' : 'merge';
      const result = await archive.import(this.chosen.file, { ...words, ...more, mode, dryRun });
      if (dryRun) this.preview = result;
      else {
        this.result = result;
        void this.#count();
      }
    });
  }

  /** Runs one piece of work; what went wrong is explained, and being cancelled is nothing that went wrong. */
  async #run(
    doing: string,
    work: (
      archive: NonNullable<Device['engine']>['archive'],
      more: { onProgress: (progress: ArchiveProgress) => void; signal: AbortSignal },
    ) => Promise<void>,
  ): Promise<boolean> {
    const { engine } = this.#device;
    if (!engine || this.busy) return false;
    this.#forget();
    const over = new AbortController();
    this.#work = over;
    const report = (progress: ArchiveProgress) => {
      if (this.#work === over) this.progress = progress;
    };
    try {
      await work(engine.archive, { onProgress: report, signal: over.signal });
      return true;
    } catch (error) {
      const applied = appliedWords(error);
      if (over.signal.aborted) this.#tell(`${doing} was cancelled.${applied}`);
      else {
        const explained = explain(doing, error);
        const advice = notHereAdvice(error) || explained.advice;
        this.failure = { ...explained, advice, text: explained.text + applied };
      }
      return false;
    } finally {
      this.#work = null;
      this.progress = null;
    }
  }

  /** Whoever closed the dialog meanwhile is told beside it. */
  #tell(outcome: string): void {
    if (this.shown) this.outcome = outcome;
    else toasts.show({ kind: 'info', text: outcome });
  }

  #forget(): void {
    this.outcome = '';
    this.failure = null;
    this.preview = null;
    this.result = null;
  }

  /** What keeps the numbers from coming, such as a database that is closed meanwhile, shows elsewhere. */
  #count(): Promise<void> {
    return this.#counted().then(
      (counts) => {
        this.counts = counts;
      },
      () => {},
    );
  }

  async #counted(): Promise<Backup['counts']> {
    const { engine, family, notebook, user } = this.#device;
    if (!engine) return {};
    const shared = family.space?.id;
    const tasks = engine.table<{ id: string; spaceId?: string }>('tasks').acrossSpaces();
    const own = await tasks.filter(({ spaceId }) => spaceId === undefined || spaceId !== shared).count();
    // Counting notes that are not here would have them pulled. A guest has none elsewhere.
    const notes = notebook.complete || !user ? await engine.table('notes').acrossSpaces().count() : null;
    return { todo: own, notebook: notes };
  }
}

function download(blob: Blob, fileName: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
