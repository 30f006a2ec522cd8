// What was last said of each record between this device and the server, as it stood in the requests and answers.

interface Change {
  readonly table?: string;
  readonly id?: string;
  readonly data?: Record<string, unknown>;
  readonly fields?: Record<string, { readonly value: unknown }>;
}

export interface Said {
  readonly value: unknown;
  readonly way: 'sent' | 'received';
}

/** How many records are remembered. */
const kept = 500;

export class Wire {
  readonly #records = new Map<string, Map<string, Said>>();
  /** Counts what was heard, so that who shows it can follow. */
  heard = $state(0);

  /** What was said of the fields of a task. */
  of(taskId: string): ReadonlyMap<string, Said> {
    void this.heard;
    return this.#records.get(taskId) ?? new Map();
  }

  /** Takes note of a body on its way; anything but changes of tasks is passed over. */
  async hear(message: Response, way: Said['way'], packed: boolean): Promise<void> {
    try {
      const { changes } = await (packed ? unpacked(message) : message).json();
      for (const change of changes as readonly Change[]) this.#note(change, way);
      this.heard += 1;
    } catch {
      // No JSON, no changes, or cut off: there is nothing to show.
    }
  }

  #note({ table, id, data, fields }: Change, way: Said['way']): void {
    if (table !== 'tasks' || !id) return;
    const record = this.#records.get(id) ?? new Map<string, Said>();
    for (const [name, value] of Object.entries(data ?? {})) record.set(name, { value, way });
    for (const [name, field] of Object.entries(fields ?? {})) record.set(name, { value: field.value, way });
    this.#records.delete(id);
    this.#records.set(id, record);
    const [oldest] = this.#records.keys();
    if (this.#records.size > kept && oldest) this.#records.delete(oldest);
  }
}

function unpacked({ body }: Response): Response {
  return new Response(body?.pipeThrough(new DecompressionStream('gzip')));
}
