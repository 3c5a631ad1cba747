import type { BasePorts } from '@drover/contract';

/** Runs one program without a shell. */
export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Output beyond this is an error, never cut short. */
  readonly maxOutputBytes: number;
  readonly input?: Uint8Array;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Run {
  /** @throws DroverError RENDER_LIMIT beyond `maxOutputBytes`; Error with `code: 'ETIMEDOUT'` past `timeoutMs`; the signal's reason */
  (program: string, args: readonly string[], options: RunOptions, signal: AbortSignal): Promise<RunResult>;
}

/** The few file operations the hub needs; paths are absolute. */
export interface Files {
  read(path: string): Promise<Buffer | undefined>;
  /** Written to a temporary name, synced, renamed. */
  writeAtomic(path: string, bytes: Uint8Array | string, mode?: number): Promise<void>;
  list(path: string): Promise<readonly { readonly name: string; readonly directory: boolean }[] | undefined>;
  makeDirectory(path: string, mode?: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** A new private directory below the data directory's `tmp/`. */
  temporaryDirectory(prefix: string): Promise<string>;
}

/** Doors of the hub to the world, besides the small interfaces that its folders declare. */
export interface HubPorts extends BasePorts {
  readonly run: Run;
  readonly files: Files;
}
