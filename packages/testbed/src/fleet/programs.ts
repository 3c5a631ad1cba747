import { fileURLToPath } from 'node:url';

import { serverPath } from '../servers.ts';

/**
 * The command line of `drover`, from the sources or from `DROVER_PROGRAM`, a bundle; `drover agent` from
 * `DROVER_AGENT_PROGRAM` where that is set, the agent's own bundle.
 */
export function droverCommand(args: readonly string[]): { readonly command: string; readonly args: readonly string[] } {
  const [first, ...rest] = args;
  const agent = first === 'agent' ? process.env['DROVER_AGENT_PROGRAM'] : undefined;
  if (agent !== undefined) return { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', agent, ...rest] };
  const program = process.env['DROVER_PROGRAM'] ?? fileURLToPath(new URL('../../../cli/src/main.ts', import.meta.url));
  return { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', program, ...args] };
}

/** Programs that the hub runs. */
export function hubPrograms(): readonly string[] {
  return ['--nats-server', serverPath('nats-server'), '--kustomize', serverPath('kustomize')];
}
