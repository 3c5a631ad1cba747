import { DroverError } from '@drover/contract';
import { Command, CommanderError } from 'commander';
import { addEffects } from './commands/effects.ts';
import { addExplain } from './commands/explain.ts';
import { addGet } from './commands/get.ts';
import { addRender } from './commands/render.ts';
import { addStatus } from './commands/status.ts';
import { addToken } from './commands/token.ts';
import { addVersion } from './commands/version.ts';
import { addWait } from './commands/wait.ts';
import type { Context, ExitCode } from './context.ts';
import { clean } from './format/clean.ts';

/** Programs with command lines of their own: `main(argv, env)` of their packages. */
export interface Programs {
  readonly hub: (argv: readonly string[]) => Promise<number>;
  readonly agent: (argv: readonly string[]) => Promise<number>;
}

/**
 * The program `drover`.
 *
 * @param argv without the program's name
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 not Ready in time
 */
export async function runCli(argv: readonly string[], context: Context, programs: Programs): Promise<number> {
  const [first, ...rest] = argv;
  try {
    if (first === 'hub' || first === 'agent') return await programs[first](rest);
    let running: Promise<ExitCode> | undefined;
    const program = createProgram(context, (code) => {
      running = code;
      // Taken up below, after the command line was read.
      code.catch(() => {});
    });
    if (argv.length === 0) {
      context.out(program.helpInformation());
      return 2;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return (await running) ?? 0;
  } catch (thrown) {
    return tell(thrown, context);
  }
}

function createProgram(context: Context, run: (code: Promise<ExitCode>) => void): Command {
  const program = new Command('drover')
    .description('Drover drives a herd of Kubernetes clusters from Git.')
    .configureHelp({ showGlobalOptions: false, helpWidth: Math.min(100, context.columns ?? 100) })
    .configureOutput({ writeOut: context.out, writeErr: context.err, getOutHelpWidth: () => Math.min(100, context.columns ?? 100) })
    .showHelpAfterError('(drover <command> --help shows how to use it)')
    .exitOverride();
  // Described here, run before the command line is read: they have command lines of their own.
  program.command('hub').description('run a hub: drover hub --source <url>; drover hub --help').helpOption(false);
  program
    .command('agent')
    .description('run the agent of a cluster: drover agent --hub <url> --token <token>; drover agent --help')
    .helpOption(false);
  addStatus(program, context, run);
  addGet(program, context, run);
  addExplain(program, context, run);
  addRender(program, context, run);
  addEffects(program, context, run);
  addWait(program, context, run);
  addToken(program, context, run);
  addVersion(program, context, run);
  program.addHelpText(
    'after',
    `
A unit is a Delivery on a cluster: shop@prod-eu, or team-a/shop@prod-eu outside namespace drover.
The hub is named by --hub or DROVER_HUB, the token by --token or DROVER_TOKEN. NO_COLOR is honoured.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not Ready in time.

Examples:
  drover status
  drover explain shop@prod-eu
  drover get units --state Failed,NotReady
  drover suspend shop@prod-eu --for 2h -m INC-812`,
  );
  return program;
}

/** The hub judges what the command line passes on. */
const WRONG_USAGE: ReadonlySet<string> = new Set(['USAGE', 'REQUEST_INVALID']);

/** @returns the exit code */
function tell(thrown: unknown, context: Context): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  if (context.signal.aborted) return 1;
  const error = DroverError.from(thrown, 'drover');
  context.err(`${context.paint(`[${error.code}]`, 'bad')} ${clean(`${error.subject}: ${error.what}`)}\n  ${clean(error.hint)}\n`);
  return WRONG_USAGE.has(error.code) ? 2 : 1;
}
