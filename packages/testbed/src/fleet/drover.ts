import { execFile } from 'node:child_process';

import { droverCommand } from './programs.ts';

export interface DroverResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the CLI to its end. */
export function runDrover(
  args: readonly string[],
  options: { readonly hub?: string; readonly cwd?: string; readonly timeoutMs?: number } = {},
): Promise<DroverResult> {
  const line = droverCommand(args);
  const env = { ...process.env, NO_COLOR: '1', ...(options.hub === undefined ? {} : { DROVER_HUB: options.hub }) };
  return new Promise((resolve, reject) => {
    execFile(
      line.command,
      line.args,
      { env, cwd: options.cwd, timeout: options.timeoutMs ?? 60_000, maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, stdout, stderr });
        else reject(error ?? new Error('no exit code'));
      },
    );
  });
}
