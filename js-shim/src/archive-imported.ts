/** What becomes of an archive. */

import type { ImportedTable, ImportResult, MissingValue } from './archive-types.js';
import { ManaError } from './errors.js';
import type { RawImportPage } from './raw.js';

/** What came of an archive so far. */
export class Imported {
  readonly skipped: string[] = [];
  missing: readonly MissingValue[] = [];
  #references = 0;
  readonly #tables: ImportedTable[] = [];
  readonly #renamed: ImportResult['renamed'][number][] = [];
  readonly #left: ImportResult['left'][number][] = [];

  readonly #isDry: boolean;

  constructor(isDry: boolean) {
    this.#isDry = isDry;
  }

  /** Counts what becomes of a table, page by page. */
  begin(table: string): { add(page: RawImportPage, lines: Float64Array, references: number): void } {
    const counts = { table, new: 0, changed: 0, unchanged: 0, deleted: 0, left: 0 };
    this.#tables.push(counts);
    return {
      add: (page, lines, references) => {
        this.#references += references;
        for (const what of ['new', 'changed', 'unchanged', 'deleted'] as const) counts[what] += page[what];
        counts.left += page.left.length;
        this.#renamed.push(...page.renamed.map((names) => ({ table, ...names })));
        for (const { position, ...left } of page.left) this.#left.push({ table, line: lines[position] ?? 0, ...left });
      },
    };
  }

  shown(): ImportResult {
    const [tables, renamed, left] = [this.#tables, this.#renamed, this.#left];
    return { tables, renamed, references: this.#references, left, skipped: this.skipped, missing: this.missing };
  }

  /** What went wrong, with what was applied before where rows had begun to be taken in. */
  explained(error: unknown): unknown {
    if (this.#isDry || this.#tables.length === 0 || !(error instanceof ManaError)) return error;
    const { code, message, retryable, details, cause } = error;
    return new ManaError(code, message, { retryable, details: { ...details, applied: this.shown() }, cause });
  }
}
