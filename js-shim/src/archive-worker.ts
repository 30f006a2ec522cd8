/** The worker that archives are read and written in: one job, asked by messages, answered in their order. */

import { ArchiveJob, type JobCalls } from './archive-job.js';

/** A question: its number, the name of a call, and its arguments. */
export interface Asked {
  readonly id: number;
  readonly name: keyof JobCalls;
  readonly given: never;
}

/** An answer, or what was thrown. */
export type Answered =
  | { readonly id: number; readonly answer: unknown }
  | {
      readonly id: number;
      readonly thrown: { readonly message: string; readonly code?: unknown; readonly details?: unknown };
    };

const job = new ArchiveJob();
let last: Promise<unknown> = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<Asked>) => {
  last = last.then(() => answer(data));
});

async function answer({ id, name, given }: Asked): Promise<void> {
  try {
    const answer = await job.call(name, given);
    const bytes = answer instanceof Uint8Array ? [answer.buffer as ArrayBuffer] : [];
    (postMessage as (message: Answered, transfer: Transferable[]) => void)({ id, answer }, bytes);
  } catch (error) {
    const { message, code, details } = error as Error & { code?: unknown; details?: unknown };
    postMessage({ id, thrown: { message: message ?? String(error), code, details } } satisfies Answered);
  }
}
