import type { ClusterRow, DeliveryRow, EventRow, ReleaseRow, RolloutRow, SourceRow, UnitRow } from '@drover/hub/api';
import type { Command } from 'commander';
import type { Client } from '../client.ts';
import type { Context, ExitCode } from '../context.ts';
import { inNamespace as showName } from '../format/revision.ts';
import type { Column } from '../format/table.ts';
import { table } from '../format/table.ts';
import { showList, showOne, viewOptions } from '../output.ts';
import { inNamespace, unitOf, unitPath, usage } from '../targets.ts';
import * as columns from '../views/columns.ts';
import { watch } from '../watch.ts';
import type { HubFlags, NamespaceFlags, Run } from './common.ts';
import { connect, examples, namespaceOf, withHub, withNamespace } from './common.ts';

interface GetFlags extends HubFlags, NamespaceFlags {
  readonly selector?: string;
  readonly watch?: boolean;
  readonly delivery?: string;
  readonly cluster?: string;
  readonly state?: string;
  readonly unit?: string;
  readonly severity?: string;
  readonly since?: string;
  readonly limit?: string;
}

interface Noun<T> {
  readonly names: readonly string[];
  /** What it is, for an empty list. */
  readonly plural: string;
  readonly path: string;
  readonly namespaced: boolean;
  readonly query: (flags: GetFlags) => Readonly<Record<string, string | undefined>>;
  /** Path of one, by the name that a person writes. */
  readonly one?: (name: string, namespace: string | undefined) => string;
  readonly columns: (now: number, rows: readonly T[]) => readonly Column<T>[];
  readonly name: (row: T) => string;
  /** Newest first at the API, newest last on a terminal. */
  readonly log?: boolean;
}

const UNITS: Noun<UnitRow> = {
  names: ['units', 'unit'],
  plural: 'units',
  path: '/v1/units',
  namespaced: true,
  query: ({ delivery, cluster, state, selector, unit }) => ({ delivery, cluster, state, clusterSelector: selector, ...unitQuery(unit) }),
  one: (name, namespace) => unitPath(unitOf(name, namespace)),
  columns: columns.unitColumns,
  name: (row) => row.unit,
};

const CLUSTERS: Noun<ClusterRow> = {
  names: ['clusters', 'cluster', 'drc'],
  plural: 'clusters',
  path: '/v1/clusters',
  namespaced: false,
  query: ({ selector }) => ({ selector }),
  one: (name) => `/v1/clusters/${encodeURIComponent(name)}`,
  columns: columns.clusterColumns,
  name: (row) => row.name,
};

const SOURCES: Noun<SourceRow> = {
  names: ['sources', 'source', 'gitrepositories', 'gitrepository', 'drgit'],
  plural: 'sources',
  path: '/v1/sources',
  namespaced: true,
  query: () => ({}),
  one: (name, namespace) => `/v1/sources/GitRepository/${pathOf(name, namespace)}`,
  columns: columns.sourceColumns,
  name: (row) => showName(row.namespace, row.name),
};

const DELIVERIES: Noun<DeliveryRow> = {
  names: ['deliveries', 'delivery', 'dlv'],
  plural: 'Deliveries',
  path: '/v1/deliveries',
  namespaced: true,
  query: () => ({}),
  one: (name, namespace) => `/v1/deliveries/${pathOf(name, namespace)}`,
  columns: (_now, rows) => columns.deliveryColumns(rows.some((row) => row.states.Progressing > 0)),
  name: (row) => showName(row.namespace, row.name),
};

const RELEASES: Noun<ReleaseRow> = {
  names: ['releases', 'release'],
  plural: 'releases',
  path: '/v1/releases',
  namespaced: true,
  query: ({ delivery }) => ({ delivery }),
  one: (name, namespace) => releasePath('/v1/releases', name, namespace),
  columns: columns.releaseColumns,
  name: (row) => showName(row.namespace, row.id),
};

const ROLLOUTS: Noun<RolloutRow> = {
  names: ['rollouts', 'rollout'],
  plural: 'rollouts',
  path: '/v1/rollouts',
  namespaced: true,
  query: ({ delivery }) => ({ delivery }),
  one: (name, namespace) => releasePath('/v1/rollouts', name, namespace),
  columns: columns.rolloutColumns,
  name: (row) => showName(row.namespace, row.id),
};

const EVENTS: Noun<EventRow> = {
  names: ['events', 'event'],
  plural: 'events',
  path: '/v1/events',
  namespaced: false,
  query: ({ delivery, cluster, severity, since, unit, namespace }) => ({
    namespace,
    delivery,
    cluster,
    severity,
    since,
    ...unitQuery(unit),
  }),
  columns: columns.eventColumns,
  name: (row) => String(row.id),
  log: true,
};

const NOUNS = [UNITS, CLUSTERS, SOURCES, DELIVERIES, RELEASES, ROLLOUTS, EVENTS] as readonly Noun<never>[];
const DEFAULT_EVENTS = 50;

export function addGet(program: Command, context: Context, run: Run): void {
  const command = withNamespace(withHub(program.command('get <what> [names...]')))
    .description(`list ${NOUNS.map((noun) => noun.names[0]).join('|')}, or show some by name`)
    .option('-l, --selector <labels>', 'by labels of clusters: env=prod,tier in (a, b),!canary')
    .option('--delivery <name>', 'of this Delivery')
    .option('--cluster <name>', 'on this cluster')
    .option('--unit <unit>', 'of this unit: shop@prod-eu')
    .option('--state <states>', 'in these states, by comma')
    .option('--severity <severity>', 'events: Info, Warning or Error')
    .option('--since <duration|id>', 'events: not older than 1h, or after an id')
    .option('--limit <n>', `at most so many; ${DEFAULT_EVENTS} events by default`)
    .option('-w, --watch', 'go on showing what changes')
    .action((what: string, names: string[], flags: GetFlags) => run(get(context, what, names, flags)));
  examples(command, [
    'drover get units',
    'drover get units --state Failed,NotReady -o wide',
    'drover get units -l env=prod --watch',
    'drover get unit shop@prod-eu -o yaml',
    'drover get clusters -l region=eu -o name',
    'drover get events --unit shop@prod-eu --since 1h',
  ]);
}

async function get(context: Context, what: string, names: readonly string[], flags: GetFlags): Promise<ExitCode> {
  const noun = NOUNS.find((known) => known.names.includes(what.toLowerCase()));
  if (noun === undefined) throw usage(`there is nothing called ${what}; there are ${NOUNS.map((known) => known.names[0]).join(', ')}`);
  if (flags.limit !== undefined && !/^[1-9]\d{0,5}$/.test(flags.limit)) throw usage(`--limit ${flags.limit} is no number above 0`);
  const client = connect(context, flags);
  if (flags.watch === true && noun === (EVENTS as Noun<unknown>)) return followEvents(context, client, flags);
  const produce = async (): Promise<string> => render(context, client, noun, names, flags);
  if (flags.watch === true) await watch(context, produce);
  else context.out(await produce());
  return 0;
}

async function render<T>(context: Context, client: Client, noun: Noun<T>, names: readonly string[], flags: GetFlags): Promise<string> {
  const { items, total } = await read(context, client, noun, names, flags);
  const options = viewOptions(context, flags.output);
  const single = names.length === 1 && items.length === 1;
  if (single && (flags.output === 'json' || flags.output === 'yaml')) {
    return one(items[0], flags.output);
  }
  const everywhere = noun.namespaced && namespaceOf(flags) !== undefined;
  const empty = `No ${noun.plural}${everywhere ? ` in namespace ${namespaceOf(flags)}; -A looks in all` : ''}.`;
  return showList({ items, total }, flags.output, { columns: noun.columns(context.now(), items), name: noun.name, empty }, options);
}

function one(value: unknown, format: 'json' | 'yaml'): string {
  return showOne(value, format, { name: String, text: String });
}

async function read<T>(
  context: Context,
  client: Client,
  noun: Noun<T>,
  names: readonly string[],
  flags: GetFlags,
): Promise<{ readonly items: readonly T[]; readonly total: number }> {
  const namespace = namespaceOf(flags);
  if (names.length > 0) {
    const { one: pathOfOne } = noun;
    if (pathOfOne === undefined) throw usage(`${noun.plural} have no names; narrow them by --unit, --cluster, --since`);
    const items = await Promise.all(names.map((name) => client.get<T>(pathOfOne(name, namespace), context.signal)));
    return { items, total: items.length };
  }
  const query = { ...(noun.namespaced ? { namespace } : {}), ...noun.query(flags) };
  const limit = flags.limit === undefined ? (noun.log === true ? DEFAULT_EVENTS : undefined) : Number(flags.limit);
  const list = await client.list<T>(noun.path, query, context.signal, limit);
  const reversed = noun.log === true && !/^\d+$/.test(flags.since ?? '');
  return { items: reversed ? list.items.toReversed() : list.items, total: noun.log === true ? list.items.length : list.total };
}

/** The log as it is written, resumed where it broke. */
async function followEvents(context: Context, client: Client, flags: GetFlags): Promise<ExitCode> {
  const start = await read(context, client, EVENTS, [], { ...flags, limit: flags.limit ?? '10' });
  const options = viewOptions(context, flags.output);
  // Columns keep their widths from line to line.
  const line = (row: EventRow): string => {
    if (flags.output === 'json') return `${JSON.stringify(row)}\n`;
    if (flags.output === 'yaml') return `---\n${one(row, 'yaml')}`;
    if (flags.output === 'name') return `${row.id}\n`;
    return `${table(columns.eventLineColumns(context.now()), [row], options).split('\n').slice(1).join('\n')}\n`;
  };
  let last = 0;
  for (const row of start.items) {
    context.out(line(row));
    last = Math.max(last, row.id);
  }
  const { since: _since, ...query } = EVENTS.query(flags);
  while (!context.signal.aborted) {
    const from = last === 0 ? {} : { since: String(last) };
    try {
      for await (const row of client.events<EventRow>('/v1/events/stream', { ...query, ...from }, context.signal)) {
        context.out(line(row));
        last = row.id;
      }
    } catch (thrown) {
      if (context.signal.aborted) break;
      if ((thrown as { readonly code?: string }).code !== 'HUB_UNREACHABLE' && !(thrown instanceof TypeError)) throw thrown;
    }
    await context.sleep(1000);
  }
  return 0;
}

function unitQuery(unit: string | undefined): { readonly delivery?: string; readonly cluster?: string } {
  if (unit === undefined) return {};
  const { namespace, delivery, cluster } = unitOf(unit);
  return { delivery: `${namespace}/${delivery}`, cluster };
}

function pathOf(text: string, namespace: string | undefined): string {
  const named = inNamespace(text, namespace);
  return `${encodeURIComponent(named.namespace)}/${encodeURIComponent(named.name)}`;
}

function releasePath(path: string, text: string, namespace: string | undefined): string {
  const named = inNamespace(text, namespace);
  return `${path}/${encodeURIComponent(named.name)}?namespace=${encodeURIComponent(named.namespace)}`;
}
