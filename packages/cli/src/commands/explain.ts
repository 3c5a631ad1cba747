import type { UnitDetail } from '@drover/hub/api';
import type { Command } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { showOne, viewOptions } from '../output.ts';
import { unitOf, unitPath, usage } from '../targets.ts';
import { explainView } from '../views/explain.ts';
import { schemaView } from '../views/schema.ts';
import { watch } from '../watch.ts';
import type { HubFlags, NamespaceFlags, Run } from './common.ts';
import { connect, examples, namespaceOf, withHub, withNamespace } from './common.ts';

interface ExplainFlags extends HubFlags, NamespaceFlags {
  readonly watch?: boolean;
}

export function addExplain(program: Command, context: Context, run: Run): void {
  const command = withNamespace(withHub(program.command('explain <what>')))
    .alias('why')
    .description('why a unit is as it is, or what a field of the configuration means')
    .option('-w, --watch', 'go on showing what changes')
    .action((what: string, flags: ExplainFlags) =>
      run(what.includes('@') ? explainUnit(context, what, flags) : explainField(context, what, flags)),
    );
  examples(command, ['drover explain shop@prod-eu', 'drover why team-a/shop@prod-eu --watch', 'drover explain delivery.spec.deletes']);
}

async function explainUnit(context: Context, what: string, flags: ExplainFlags): Promise<ExitCode> {
  const client = connect(context, flags);
  const path = unitPath(unitOf(what, namespaceOf(flags)));
  const produce = async (): Promise<string> => {
    const unit = await client.get<UnitDetail>(path, context.signal);
    const options = viewOptions(context, flags.output);
    return showOne(unit, flags.output, { name: (value) => value.unit, text: (value) => explainView(value, context.now(), options) });
  };
  if (flags.watch === true) await watch(context, produce);
  else context.out(await produce());
  return 0;
}

/** From the schema that the hub validates by; no hub needed. */
async function explainField(context: Context, what: string, flags: ExplainFlags): Promise<ExitCode> {
  const { explainField: explain } = await import('@drover/hub/config');
  const field = explain(what);
  if (field === undefined) throw usage(`${what} is neither a unit (shop@prod-eu) nor a field (delivery.spec.deletes)`);
  const options = viewOptions(context, flags.output);
  context.out(showOne(field, flags.output, { name: (value) => value.field, text: (value) => schemaView(value, options) }));
  return 0;
}
