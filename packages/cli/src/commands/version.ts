import type { InfoView } from '@drover/hub/api';
import type { Command } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { showOne } from '../output.ts';
import { VERSION } from '../version.ts';
import type { HubFlags, Run } from './common.ts';
import { connect, examples, withHub } from './common.ts';

interface VersionFlags extends HubFlags {
  readonly client?: boolean;
}

export function addVersion(program: Command, context: Context, run: Run): void {
  const command = withHub(program.command('version'))
    .description('versions of this program and of the hub')
    .option('--client', 'of this program alone')
    .action((flags: VersionFlags) => run(version(context, flags)));
  examples(command, ['drover version', 'drover version --client -o json']);
}

async function version(context: Context, flags: VersionFlags): Promise<ExitCode> {
  const hub = flags.client === true ? undefined : await connect(context, flags).get<InfoView>('/v1/info', context.signal);
  const versions = { client: VERSION, ...(hub === undefined ? {} : { hub: hub.version, fleet: hub.fleet }) };
  const text = Object.entries(versions).map(([name, value]) => `${name.padEnd(7)} ${value}\n`);
  context.out(showOne(versions, flags.output, { name: () => VERSION, text: () => text.join('') }));
  return 0;
}
