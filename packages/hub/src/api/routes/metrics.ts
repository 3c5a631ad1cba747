import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { STATES } from '@drover/contract';
import { selectUnits } from '../queries/units.ts';
import type { AddRoutes, RouteContext } from './context.ts';

/** Metrics in Prometheus' text format. Labels are names of the fleet and of routes: never what a caller sends. */
export const addMetricsRoutes: AddRoutes = (app, context) => {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'drover_http_requests_total',
    help: 'Requests answered by the API',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'drover_http_request_seconds',
    help: 'Time until a request was answered',
    labelNames: ['method', 'route'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  });
  const collect = fleetGauges(registers, context);

  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    requests.inc({ method: request.method, route, status: reply.statusCode });
    if (route !== '/v1/events/stream') seconds.observe({ method: request.method, route }, reply.elapsedTime / 1000);
  });
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics for Prometheus', response: { 200: { description: 'text', type: 'string' } } } },
    async (_request, reply) => {
      await collect();
      return reply.type(registry.contentType).send(await registry.metrics());
    },
  );
};

function fleetGauges(registers: Registry[], context: RouteContext): () => Promise<void> {
  const gauge = <const L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers });
  const info = gauge('drover_info', 'Version of the hub', ['version']);
  const units = gauge('drover_unit_state', 'State of a unit: 1 for the one that it is in', ['namespace', 'delivery', 'cluster', 'state']);
  const states = gauge('drover_units', 'Units by state', ['state']);
  const drift = gauge('drover_unit_drift_objects', 'Objects that differ from what is wanted', ['namespace', 'delivery', 'cluster']);
  const lastSeen = gauge('drover_cluster_last_seen_seconds', 'When the cluster was last heard of, as Unix time', ['cluster']);
  const online = gauge('drover_cluster_online', '1 while the agent has a stream', ['cluster']);
  const lastFetch = gauge('drover_source_last_fetch_seconds', 'Last fetch that went well, as Unix time', ['kind', 'namespace', 'name']);
  const broken = gauge('drover_source_failing', '1 while the last fetch failed', ['kind', 'namespace', 'name']);
  const pending = gauge('drover_publish_pending', 'Heads and blobs that NATS has not stored yet', []);
  const events = new Counter({ name: 'drover_events_total', help: 'Entries of the event log', registers });
  let counted = 0;

  return async () => {
    const hub = context.info();
    for (const one of [units, drift, lastSeen, online, lastFetch, broken]) one.reset();
    info.set({ version: hub.version }, 1);
    pending.set(hub.publish.pending);
    const totals = new Map<string, number>(STATES.map((state) => [state, 0]));
    for (const row of await selectUnits(context).execute()) {
      const labels = { namespace: row.namespace, delivery: row.delivery, cluster: row.name };
      units.set({ ...labels, state: row.effective }, 1);
      if (row.drift > 0) drift.set(labels, row.drift);
      totals.set(row.effective, (totals.get(row.effective) ?? 0) + 1);
    }
    for (const [state, count] of totals) states.set({ state }, count);
    for (const row of await context.db.selectFrom('cluster').select(['name', 'last_seen', 'online']).execute()) {
      if (row.last_seen !== null) lastSeen.set({ cluster: row.name }, row.last_seen / 1000);
      online.set({ cluster: row.name }, row.online);
    }
    for (const row of await context.db.selectFrom('source').select(['kind', 'namespace', 'name', 'last_fetch', 'problem']).execute()) {
      const labels = { kind: row.kind, namespace: row.namespace, name: row.name };
      if (row.last_fetch !== null) lastFetch.set(labels, row.last_fetch / 1000);
      broken.set(labels, row.problem === null ? 0 : 1);
    }
    const last = await context.db
      .selectFrom('event')
      .select(({ fn }) => fn.max('id').as('id'))
      .executeTakeFirst();
    const total = last?.id ?? 0;
    if (total > counted) events.inc(total - counted);
    counted = total;
  };
}
