import { DroverError } from '@drover/contract';
import type { Answer, BatchReader } from './batch-reader.ts';
import { createBatchReader } from './batch-reader.ts';

/** A running `git cat-file --batch`. */
export interface BatchProcess {
  write(text: string): void;
  /** Ends it at once; `ended` is still called. */
  kill(): void;
}

export interface BatchListener {
  output(chunk: Buffer): void;
  /** Once, never while it is being started: the process is gone or could not be started. @param why standard error, or why it did not start */
  ended(why: string): void;
}

/** Starts `git cat-file --batch` on one bare repository. */
export type StartBatch = (
  options: { readonly gitDirectory: string; readonly env: Readonly<Record<string, string>> },
  listener: BatchListener,
) => BatchProcess;

/** Objects of one bare repository. */
export interface ObjectStore {
  /**
   * @param name 40 hex digits, `^{commit}` after them where tags are to be followed
   * @param maxBytes larger objects are announced, not read
   * @throws DroverError GIT_CORRUPT when git cannot read the object twice in a row; the signal's reason
   */
  get(name: string, maxBytes: number, signal: AbortSignal): Promise<Answer>;
  /** Ends the process when nothing is asked of it; the next `get` starts another. */
  rest(): void;
  /** Ends it for good; what is still asked fails. */
  close(): void;
}

interface Wanted {
  readonly name: string;
  readonly maxBytes: number;
  readonly settle: PromiseWithResolvers<Answer>;
  deaths: number;
}

/** So many requests are written ahead; git answers them in order. */
const MAX_IN_FLIGHT = 64;
/** An object beyond this is not even skipped: the process is ended instead. */
const MAX_SKIPPED_BYTES = 64 * 1024 * 1024;
const NAME = /^[0-9a-f]{40}(?:\^\{commit\})?$/;

/**
 * One long-lived process, started on demand, started again when it dies. A request during whose answer it died twice
 * is given up: the object is damaged; the others are asked again.
 */
export function createObjectStore(deps: {
  readonly start: (listener: BatchListener) => BatchProcess;
  /** For errors: which repository. */
  readonly subject: string;
  readonly redact: (text: string) => string;
}): ObjectStore {
  const waiting: Wanted[] = [];
  const inFlight: Wanted[] = [];
  let running: { readonly process: BatchProcess; readonly reader: BatchReader } | undefined;
  let closed = false;

  function pump(): void {
    if (waiting.length === 0) return;
    running ??= start();
    let text = '';
    while (waiting.length > 0 && inFlight.length < MAX_IN_FLIGHT) {
      const next = waiting.shift();
      if (next === undefined) break;
      inFlight.push(next);
      text += `${next.name}\n`;
    }
    if (text !== '') running.process.write(text);
  }

  function start(): NonNullable<typeof running> {
    const reader = createBatchReader(() => inFlight[0]?.maxBytes ?? 0, answered);
    const self: NonNullable<typeof running> = {
      reader,
      process: deps.start({
        output(chunk) {
          if (running !== self) return;
          try {
            reader.push(chunk);
          } catch (error) {
            died(self, error instanceof Error ? error.message : String(error));
          }
        },
        ended: (why) => died(self, why),
      }),
    };
    return self;
  }

  function answered(answer: Answer): void {
    const wanted = inFlight.shift();
    wanted?.settle.resolve(answer);
    if (answer.type === 'too-large' && answer.size > MAX_SKIPPED_BYTES) restart();
    pump();
  }

  function restart(): void {
    const process = running?.process;
    running = undefined;
    process?.kill();
    waiting.unshift(...inFlight.splice(0));
  }

  function died(self: NonNullable<typeof running>, why: string): void {
    if (running !== self) return;
    const head = inFlight[0];
    if (head !== undefined) {
      head.deaths += 1;
      if (head.deaths > 1) {
        inFlight.shift();
        const what = `git cannot read object ${head.name}: ${deps.redact(why) || 'it ended'}`;
        head.settle.reject(new DroverError('GIT_CORRUPT', deps.subject, what));
      }
    }
    restart();
    pump();
  }

  return {
    async get(name, maxBytes, signal) {
      signal.throwIfAborted();
      if (closed) throw new DroverError('GIT_FAILED', deps.subject, 'the mirror is closed');
      if (!NAME.test(name)) throw new DroverError('UNEXPECTED', deps.subject, 'an object was asked for by a name that is none of ours');
      const wanted: Wanted = { name, maxBytes, settle: Promise.withResolvers(), deaths: 0 };
      waiting.push(wanted);
      pump();
      return await abortable(wanted.settle.promise, signal);
    },
    rest() {
      if (running === undefined || inFlight.length > 0 || waiting.length > 0) return;
      const { process } = running;
      running = undefined;
      process.kill();
    },
    close() {
      closed = true;
      const process = running?.process;
      running = undefined;
      process?.kill();
      const gone = new DroverError('GIT_FAILED', deps.subject, 'the mirror was closed while it was read');
      for (const wanted of [...inFlight.splice(0), ...waiting.splice(0)]) wanted.settle.reject(gone);
    },
  };
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
