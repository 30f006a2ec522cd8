/** A job's other side: starts it, asks it, and ends it. */

import type { JobCalls } from './archive-job.js';
import type { Answered, Asked } from './archive-worker.js';
import { isCoded, ManaError, toManaError } from './errors.js';

/** Asks a job. */
export type Ask = <Name extends keyof JobCalls>(
  name: Name,
  ...given: Parameters<JobCalls[Name]>
) => Promise<ReturnType<JobCalls[Name]>>;

/** Throws where `signal` has said that it is over. */
export function goOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

function cancelled(signal: AbortSignal | undefined): ManaError {
  return new ManaError('cancelled', 'It was cancelled.', { cause: signal?.reason });
}

/** Runs `work` with a job of its own, in a worker where the platform lets one start. `signal` ends it at once (`cancelled`). */
export async function withJob<T>(signal: AbortSignal | undefined, work: (ask: Ask) => Promise<T>): Promise<T> {
  goOn(signal);
  const job = await startJob();
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(cancelled(signal)), { once: true });
  });
  const ask: Ask = (name, ...given) => Promise.race([job.ask(name, ...given), aborted]);
  // Nobody may be waiting for an answer when it is aborted.
  aborted.catch(() => {});
  try {
    goOn(signal);
    return await work(ask);
  } finally {
    job.end();
  }
}

interface Job {
  readonly ask: Ask;
  end(): void;
}

async function startJob(): Promise<Job> {
  // Written out in this form because bundlers look for it: they copy the file and put its final address here.
  const module = new URL('./archive.wasm', import.meta.url).href;
  return (await inWorker(module)) ?? inPage(module);
}

/** Has a job load the module. */
async function loaded(job: Job, module: string): Promise<Job> {
  try {
    await job.ask('load', module);
    return job;
  } catch (cause) {
    job.end();
    throw new ManaError('engine_load_failed', `The module of archives could not be loaded from ${module}.`, {
      details: { url: module },
      retryable: true,
      cause,
    });
  }
}

/** A worker, or nothing where none starts: a bundler may have left its file out, or a policy may forbid it. */
async function inWorker(module: string): Promise<Job | undefined> {
  let worker: Worker;
  try {
    // In this form for bundlers, too.
    worker = new Worker(new URL('./archive-worker.js', import.meta.url), { type: 'module' });
  } catch {
    return undefined;
  }
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: unknown) => void }>();
  let asked = 0;
  worker.addEventListener('message', ({ data }: MessageEvent<Answered>) => {
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if ('thrown' in data) one?.reject(errorOf(data.thrown));
    else one?.resolve(data.answer as never);
  });
  const job: Job = {
    ask: (name, ...given) =>
      new Promise((resolve, reject) => {
        asked += 1;
        waiting.set(asked, { resolve, reject });
        worker.postMessage({ id: asked, name, given: given as never } satisfies Asked);
      }),
    end: () => worker.terminate(),
  };
  const failed = new Promise<undefined>((resolve) => {
    worker.addEventListener('error', () => {
      resolve(undefined);
      const error = new ManaError('internal', 'The worker of archives ended.', { retryable: true });
      for (const one of waiting.values()) one.reject(error);
    });
  });
  const started = await Promise.race([loaded(job, module), failed]);
  if (!started) worker.terminate();
  return started;
}

async function inPage(module: string): Promise<Job> {
  const { ArchiveJob } = await import('./archive-job.js');
  const job = new ArchiveJob();
  const ask: Ask = async (name, ...given) => {
    try {
      return await job.call(name, given);
    } catch (error) {
      throw errorOf(error as Error);
    }
  };
  return loaded({ ask, end: () => {} }, module);
}

function errorOf(thrown: { readonly message: string; readonly code?: unknown; readonly details?: unknown }): ManaError {
  const error = Object.assign(new Error(thrown.message), { code: thrown.code, details: thrown.details });
  return isCoded(error) ? toManaError(error) : new ManaError('internal', thrown.message, { cause: error });
}
