import { fileURLToPath } from 'node:url';

import { serverPath } from '../servers.ts';

/** The command line of `drover`, from the sources or from `DROVER_PROGRAM`, a bundle. */
export function droverCommand(args: readonly string[]): { readonly command: string; readonly args: readonly string[] } {
  const program = process.env['DROVER_PROGRAM'] ?? fileURLToPath(new URL('../../../cli/src/main.ts', import.meta.url));
  return { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', program, ...args] };
}

/** Programs that the hub runs. */
export function hubPrograms(): readonly string[] {
  return ['--nats-server', serverPath('nats-server'), '--kustomize', serverPath('kustomize')];
}
