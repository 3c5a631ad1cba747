import { DEFAULT_NAMESPACE } from '@drover/contract';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Client } from '../client.ts';
import type { Context, ExitCode } from '../context.ts';
import { DEFAULT_HUB } from '../context.ts';
import type { Format } from '../output.ts';
import { FORMATS } from '../output.ts';

/** Options that every command that asks a hub has. */
export interface HubFlags {
  readonly hub?: string;
  readonly token?: string;
  readonly output: Format;
}

export interface NamespaceFlags {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
}

/** Adds a command's action; its result is the exit code. */
export type Run = (code: Promise<ExitCode>) => void;

export function withHub(command: Command): Command {
  return command
    .option('--hub <url>', `the hub's API (DROVER_HUB; ${DEFAULT_HUB} by default)`)
    .option('--token <token>', 'API token (DROVER_TOKEN)')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table'));
}

export function withNamespace(command: Command): Command {
  return command
    .option('-n, --namespace <name>', `namespace (${DEFAULT_NAMESPACE} by default)`)
    .option('-A, --all-namespaces', 'all namespaces');
}

export function connect(context: Context, flags: HubFlags): Client {
  const url = (flags.hub ?? context.env['DROVER_HUB'] ?? DEFAULT_HUB).replace(/\/+$/, '');
  return context.connect(url, flags.token ?? context.env['DROVER_TOKEN']);
}

/** Undefined for all. */
export function namespaceOf(flags: NamespaceFlags): string | undefined {
  return flags.allNamespaces === true ? undefined : (flags.namespace ?? DEFAULT_NAMESPACE);
}

export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}
