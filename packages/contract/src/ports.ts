/**
 * The doors to the world that every program shares. Nothing outside `main.ts` and files named `*-adapter.ts` uses
 * clocks, timers, randomness, files, processes or sockets: each program takes one `Ports` object made of these and of
 * the small interfaces of its own folders, so that it can be simulated.
 */
export interface Clock {
  /** Wall clock, epoch ms: for showing, never for ordering. */
  now(): number;
  /** Monotonic clock, ms from an arbitrary start: for every duration and deadline. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1): jitter. */
  fraction(): number;
  /** Cryptographically strong. */
  bytes(length: number): Uint8Array;
  /** A random UUID (version 4). */
  uuid(): string;
}

/**
 * Wraps one effect on the world in a named crash point. In production it is `run()`; in tests the process dies, or the
 * simulated program is abandoned, before the effect, after it, or after it with its reply lost.
 *
 * @param point name from the closed list of the program, for example `apply` or `head-put`
 */
export type Effect = <T>(point: string, run: () => Promise<T>) => Promise<T>;

/** Structured log: a constant message plus fields. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export interface BasePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly effect: Effect;
  readonly log: Logger;
}
