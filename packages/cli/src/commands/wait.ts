import type { List, UnitRow } from '@drover/hub/api';
import { STATES } from '@drover/contract';
import type { Command } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { counted } from '../format/revision.ts';
import { table } from '../format/table.ts';
import { duration } from '../format/time.ts';
import { viewOptions } from '../output.ts';
import { readDuration, readTarget, usage } from '../targets.ts';
import { unitColumns } from '../views/columns.ts';
import type { HubFlags, NamespaceFlags, Run } from './common.ts';
import { connect, examples, namespaceOf, withHub, withNamespace } from './common.ts';

interface WaitFlags extends HubFlags, NamespaceFlags {
  readonly for: string;
  readonly revision?: string;
  readonly selector?: string;
  readonly timeout: string;
}

const EVERY_MS = 250;

export function addWait(program: Command, context: Context, run: Run): void {
  const command = withNamespace(withHub(program.command('wait [target...]')))
    .description('wait until units are Ready; of a unit, Delivery or cluster, or all of them')
    .option('--for <state>', 'the state to wait for', 'Ready')
    .option('--revision <sha>', 'and have applied this commit')
    .option('-l, --selector <labels>', 'on clusters with these labels')
    .option('--timeout <duration>', 'how long', '5m')
    .action((words: string[], flags: WaitFlags) => run(wait(context, words, flags)));
  examples(command, [
    'drover wait shop@prod-eu',
    'drover wait shop -l env=prod --timeout 10m',
    'drover wait --revision "$(git rev-parse HEAD)"',
  ]);
}

async function wait(context: Context, words: readonly string[], flags: WaitFlags): Promise<ExitCode> {
  const state = STATES.find((known) => known.toLowerCase() === flags.for.toLowerCase());
  if (state === undefined) throw usage(`--for ${flags.for} is none of ${STATES.join(', ')}`);
  if (flags.revision !== undefined && !/^[0-9a-f]{7,64}$/i.test(flags.revision)) throw usage(`--revision ${flags.revision} is no commit`);
  const units =
    words.length === 0
      ? flags.namespace === undefined
        ? {}
        : { namespace: flags.namespace }
      : readTarget(words, namespaceOf(flags)).units;
  if (units === undefined) throw usage('a source has no units; wait for a Delivery');
  const client = connect(context, flags);
  const started = context.now();
  const timeoutMs = readDuration(flags.timeout);
  const wanted = (unit: UnitRow): boolean =>
    unit.state === state && (flags.revision === undefined || unit.revision.applied?.includes(flags.revision.toLowerCase()) === true);
  for (;;) {
    const { items }: List<UnitRow> = await client.list('/v1/units', { ...units, clusterSelector: flags.selector }, context.signal);
    const missing = items.filter((unit) => !wanted(unit));
    const took = context.now() - started;
    if (items.length > 0 && missing.length === 0) {
      context.out(`${counted(items.length, 'unit')} ${state} after ${duration(took)}\n`);
      return 0;
    }
    if (took >= timeoutMs || context.signal.aborted) {
      const what = items.length === 0 ? 'there is no such unit' : `${missing.length} of ${counted(items.length, 'unit')} not ${state}`;
      context.err(`${what} after ${duration(took)}\n`);
      if (missing.length > 0) context.out(`${table(unitColumns(context.now()), missing, viewOptions(context, flags.output))}\n`);
      return 3;
    }
    await context.sleep(EVERY_MS);
  }
}
