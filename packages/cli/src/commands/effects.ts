import type { EffectView, List, UnitRow } from '@drover/hub/api';
import type { Command } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { showOne, viewOptions } from '../output.ts';
import { table } from '../format/table.ts';
import { readDuration, readTarget, usage } from '../targets.ts';
import type { Target } from '../targets.ts';
import { unitColumns } from '../views/columns.ts';
import { effectView } from '../views/effect.ts';
import type { HubFlags, NamespaceFlags, Run } from './common.ts';
import { connect, examples, namespaceOf, withHub, withNamespace } from './common.ts';

interface EffectFlags extends HubFlags, NamespaceFlags {
  readonly message?: string;
  readonly for?: string;
  readonly wait: boolean;
  readonly timeout: string;
}

const TARGET = '<target...>';
const TARGETS = 'shop@prod-eu, delivery shop, cluster prod-eu, source fleet; a name alone is a Delivery';
/** As long as the hub answers in one go. */
const MAX_WAIT_MS = 4 * 60_000;

export function addEffects(program: Command, context: Context, run: Run): void {
  const reconcile = effect(program.command(`reconcile ${TARGET}`), `fetch, render and verify again: ${TARGETS}`).action(
    (words: string[], flags: EffectFlags) => run(reconcileTarget(context, words, flags)),
  );
  examples(reconcile, [
    'drover reconcile source fleet',
    'drover reconcile shop',
    'drover reconcile shop@prod-eu --timeout 2m',
    'drover reconcile cluster prod-eu --no-wait',
  ]);

  const suspend = effect(program.command(`suspend ${TARGET}`), `hands off, neither applied, pruned nor corrected: ${TARGETS}`)
    .option('--for <duration>', 'ends by itself: 2h')
    .action((words: string[], flags: EffectFlags) => run(actOn(context, words, 'suspend', flags)));
  examples(suspend, [
    'drover suspend shop@prod-eu --for 2h -m INC-812',
    'drover suspend cluster prod-eu -m "etcd restore"',
    'drover suspend source fleet',
  ]);

  const resume = effect(program.command(`resume ${TARGET}`), `lift a suspension made by suspend: ${TARGETS}`).action(
    (words: string[], flags: EffectFlags) => run(actOn(context, words, 'resume', flags)),
  );
  examples(resume, ['drover resume shop@prod-eu', 'drover resume cluster prod-eu']);

  const enforce = effect(program.command('enforce <cluster>'), 'from Observe to Enforce: the cluster is written to from now on').action(
    (name: string, flags: EffectFlags) => run(actOn(context, ['cluster', name], 'enforce', flags)),
  );
  examples(enforce, ['drover enforce prod-eu', 'drover enforce prod-eu -m "observed for a week"']);

  const cluster = program.command('cluster').description('let clusters into the fleet');
  const accept = effect(cluster.command('accept <cluster>'), 'let a cluster in that joined by a token of several uses').action(
    (name: string, flags: EffectFlags) => run(actOn(context, ['cluster', name], 'accept', flags)),
  );
  examples(accept, ['drover cluster accept lab-3']);
  const reject = effect(cluster.command('reject <cluster>'), 'turn a cluster away that waits to be accepted').action(
    (name: string, flags: EffectFlags) => run(actOn(context, ['cluster', name], 'reject', flags)),
  );
  examples(reject, ['drover cluster reject lab-3']);
}

function effect(command: Command, description: string): Command {
  return withNamespace(withHub(command))
    .description(description)
    .option('-m, --message <text>', 'why, for the log')
    .option('--no-wait', 'do not wait until it has taken effect')
    .option('--timeout <duration>', 'how long to wait, at most 4m', '30s');
}

async function actOn(context: Context, words: readonly string[], verb: string, flags: EffectFlags): Promise<ExitCode> {
  const target = readTarget(words, namespaceOf(flags));
  const { done, text } = await post(context, target, verb, flags);
  context.out(text);
  return done || !flags.wait ? 0 : 3;
}

async function reconcileTarget(context: Context, words: readonly string[], flags: EffectFlags): Promise<ExitCode> {
  const target = readTarget(words, namespaceOf(flags));
  const { done, text } = await post(context, target, 'reconcile', flags);
  context.out(text);
  if (!flags.wait) return 0;
  if (target.units === undefined) return done ? sourceResult(context, target, flags) : 3;
  const { items }: List<UnitRow> = await connect(context, flags).list('/v1/units', target.units, context.signal);
  const bad = items.filter((unit) => unit.state !== 'Ready');
  if (bad.length > 0 && (flags.output === 'table' || flags.output === 'wide'))
    context.out(`\n${table(unitColumns(context.now()), bad, viewOptions(context, flags.output))}\n`);
  if (!done) return 3;
  return bad.some((unit) => unit.state === 'Failed') ? 1 : 0;
}

/** A fetch that failed has ended, too. */
async function sourceResult(context: Context, target: Target, flags: EffectFlags): Promise<ExitCode> {
  const source = await connect(context, flags).get<{
    readonly problem: { readonly code: string; readonly message: string; readonly hint: string } | null;
  }>(target.path, context.signal);
  if (source.problem === null) return 0;
  context.err(`[${source.problem.code}] ${source.problem.message}\n  ${source.problem.hint}\n`);
  return 1;
}

async function post(
  context: Context,
  target: Target,
  verb: string,
  flags: EffectFlags,
): Promise<{ readonly done: boolean; readonly text: string }> {
  const waitMs = flags.wait ? readDuration(flags.timeout) : 0;
  if (waitMs > MAX_WAIT_MS) throw usage(`--timeout ${flags.timeout} is more than 4m; drover wait waits as long as you like`);
  const body = {
    ...(flags.message === undefined ? {} : { message: flags.message }),
    ...(flags.for === undefined ? {} : { for: flags.for }),
  };
  const path = `${target.path}/${verb}${waitMs > 0 ? `?wait=${waitMs}ms` : ''}`;
  const { value } = await connect(context, flags).post<EffectView>(path, body, context.signal, waitMs);
  const options = viewOptions(context, flags.output);
  // Units are shown as they are, below.
  const units = verb === 'reconcile' && flags.wait && target.units !== undefined;
  const shown = units ? { ...value, waitingFor: value.waitingFor.filter((row) => !row.subject.includes('@')) } : value;
  const text = showOne(value, flags.output, { name: (view) => view.message, text: () => effectView(shown, options) });
  return { done: value.done, text };
}
