// What a parent and its supervisor say to each other: one JSON document a line.

export type Command =
  | {
      readonly op: 'spawn';
      readonly id: number;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      /** Standard output and standard error are appended here. */
      readonly logFile: string;
    }
  /** Remove this folder when the parent is gone. */
  | { readonly op: 'tidy'; readonly path: string }
  | { readonly op: 'forget'; readonly path: string };

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type Event =
  | { readonly op: 'spawned'; readonly id: number; readonly pid: number }
  | { readonly op: 'failed'; readonly id: number; readonly message: string }
  | { readonly op: 'exited'; readonly id: number; readonly exit: Exit };
