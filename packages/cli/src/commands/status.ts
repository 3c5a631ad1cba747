import type { FleetView } from '@drover/hub/api';
import type { Command } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { showOne, viewOptions } from '../output.ts';
import { statusView } from '../views/status.ts';
import { watch } from '../watch.ts';
import type { HubFlags, Run } from './common.ts';
import { connect, examples, withHub } from './common.ts';

interface StatusFlags extends HubFlags {
  readonly watch?: boolean;
}

export function addStatus(program: Command, context: Context, run: Run): void {
  const command = withHub(program.command('status'))
    .description('the whole fleet on one screen, and what needs you')
    .option('-w, --watch', 'go on showing what changes')
    .action((flags: StatusFlags) => run(status(context, flags)));
  examples(command, ['drover status', 'drover status --watch', 'drover status -o json']);
}

async function status(context: Context, flags: StatusFlags): Promise<ExitCode> {
  const client = connect(context, flags);
  const produce = async (): Promise<string> => {
    const fleet = await client.get<FleetView>('/v1/fleet', context.signal);
    const options = viewOptions(context, flags.output);
    return showOne(fleet, flags.output, { name: (value) => value.fleet, text: (value) => statusView(value, options) });
  };
  if (flags.watch === true) await watch(context, produce);
  else context.out(await produce());
  return 0;
}
