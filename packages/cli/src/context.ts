import type { Client } from './client.ts';
import type { Paint } from './format/paint.ts';

/** What a command works with: the shell's side of things, so that commands can be tested without one. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Of the terminal; undefined when the output is none. */
  readonly columns: number | undefined;
  readonly paint: Paint;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
  readonly connect: (url: string, token: string | undefined) => Client;
}

/** 0 done, 1 failed, 2 wrong usage, 3 not Ready in time. */
export type ExitCode = 0 | 1 | 2 | 3;

export const DEFAULT_HUB = 'http://127.0.0.1:7440';
