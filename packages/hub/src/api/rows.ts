import { BLOCKERS, STATES } from '@drover/contract';
import type { Static } from 'typebox';
import Type from 'typebox';

/**
 * Shapes of what the API answers: one source for the types of hub and CLI, and for the OpenAPI document. Times are
 * RFC 3339 in UTC with milliseconds; what is not known is null, never left out and never zero.
 */
const nullable = <T extends Type.TSchema>(schema: T): Type.TUnion<[T, Type.TNull]> => Type.Union([schema, Type.Null()]);
const text = (description: string): Type.TString => Type.String({ description });
const time = (description: string): Type.TString => Type.String({ format: 'date-time', description });
const count = (description: string): Type.TInteger => Type.Integer({ minimum: 0, description });

export const StateName = Type.Enum([...STATES], { description: 'worst first: Failed, Unknown, NotReady, Progressing, Waiting, Ready' });
export const StateCounts = Type.Object(
  {
    Failed: count(''),
    Unknown: count(''),
    NotReady: count(''),
    Progressing: count(''),
    Waiting: count(''),
    Ready: count(''),
  },
  { description: 'units by state' },
);
export type StateCounts = Static<typeof StateCounts>;

const Position = Type.Object({
  file: text('path in the source'),
  line: Type.Optional(Type.Integer({ minimum: 1 })),
  column: Type.Optional(Type.Integer({ minimum: 1 })),
});

export const ProblemRow = Type.Object({
  code: text('stable code'),
  subject: text('what it is about'),
  message: text('what failed'),
  hint: text('what to do'),
  position: Type.Optional(Position),
});
export type ProblemRow = Static<typeof ProblemRow>;

export const BlockedOnRow = Type.Object({
  kind: Type.Enum([...BLOCKERS]),
  message: text(''),
  since: time(''),
  until: nullable(time('when it ends by itself')),
  by: nullable(text('who caused it')),
});
export type BlockedOnRow = Static<typeof BlockedOnRow>;

const release = { wanted: nullable(text('for example shop-214')), applied: nullable(text('')) };
const revision = { wanted: nullable(text('for example main@sha1:<hex>')), applied: nullable(text('')) };
const digest = { wanted: nullable(text('keyed digest of the content')), applied: nullable(text('')) };

export const UnitRow = Type.Object({
  unit: text('shop@prod-eu, or team-a/shop@prod-eu outside the default namespace'),
  namespace: text(''),
  delivery: text(''),
  cluster: text(''),
  state: StateName,
  since: time('since when it is in this state'),
  release: Type.Object(release),
  revision: Type.Object(revision),
  digest: Type.Object(digest),
  objects: Type.Object({
    total: nullable(count('null before the agent has reported the unit')),
    ready: nullable(count('')),
  }),
  drift: count('objects that differ from what is wanted, now'),
  suspended: Type.Boolean({ description: 'hands off: neither applied, pruned nor corrected' }),
  observed: Type.Boolean({ description: 'mode Observe: reported, never written' }),
  stale: Type.Boolean({ description: 'no live stream from the agent just now' }),
  blockedOn: Type.Array(BlockedOnRow),
  message: text('one sentence; empty when Ready'),
});
export type UnitRow = Static<typeof UnitRow>;

export const CommitRow = Type.Object({ sha: text(''), subject: text(''), author: text(''), time: time('') });
export type CommitRow = Static<typeof CommitRow>;

export const EventRow = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  time: time(''),
  severity: Type.Enum(['Info', 'Warning', 'Error']),
  reason: text('PascalCase, or the code of a failure'),
  unit: nullable(text('a unit, or a Delivery where it concerns all its clusters')),
  cluster: nullable(text('')),
  object: nullable(text('a Kubernetes object, a source, or a document of the configuration')),
  message: text(''),
  actor: nullable(text('who asked for it')),
});
export type EventRow = Static<typeof EventRow>;

export const ReleaseRow = Type.Object({
  id: text('shop-214'),
  namespace: text(''),
  delivery: text(''),
  number: Type.Integer({ minimum: 1 }),
  revision: text(''),
  commit: nullable(CommitRow),
  createdAt: time(''),
  deletes: count('objects that it deletes, over all clusters'),
  clusters: count('clusters that it is for'),
  failed: count('clusters for which it did not render'),
  rollout: nullable(text('Progressing, Succeeded, Failed or Superseded')),
});
export type ReleaseRow = Static<typeof ReleaseRow>;

export const ReleaseDetail = Type.Interface([ReleaseRow], {
  configHash: text('of what concerns the content'),
  units: Type.Array(Type.Object({ cluster: text(''), digest: nullable(text('')), problem: nullable(ProblemRow) })),
});
export type ReleaseDetail = Static<typeof ReleaseDetail>;

const Outcomes = Type.Object({
  Pending: count(''),
  Released: count(''),
  Succeeded: count(''),
  Failed: count(''),
  Skipped: count(''),
});

export const RolloutRow = Type.Object({
  id: text('its release: shop-214'),
  namespace: text(''),
  delivery: text(''),
  number: Type.Integer({ minimum: 1 }),
  state: text('Progressing, Succeeded, Failed or Superseded'),
  startedAt: time(''),
  endedAt: nullable(time('')),
  clusters: Outcomes,
});
export type RolloutRow = Static<typeof RolloutRow>;

export const RolloutDetail = Type.Interface([RolloutRow], {
  stages: Type.Array(
    Type.Object({
      name: text(''),
      state: text(''),
      current: nullable(text('release in progress in this stage')),
      candidate: nullable(text('newest release that may enter next')),
      since: time(''),
    }),
  ),
  outcomes: Type.Array(Type.Object({ cluster: text(''), stage: text(''), state: text(''), since: time('') })),
});
export type RolloutDetail = Static<typeof RolloutDetail>;

export const SourceRow = Type.Object({
  kind: text('GitRepository'),
  namespace: text(''),
  name: text(''),
  url: text('without credentials'),
  ref: text('branch main, tag v1, commit …, or the remote’s HEAD'),
  revision: nullable(text('last good revision')),
  commit: nullable(CommitRow),
  lastFetch: nullable(time('last fetch that went well')),
  lastWebhook: nullable(time('')),
  suspended: Type.Boolean(),
  problem: nullable(ProblemRow),
  problemSince: nullable(time('')),
});
export type SourceRow = Static<typeof SourceRow>;

export const DeliveryRow = Type.Object({
  name: text(''),
  namespace: text(''),
  source: text('GitRepository/drover/fleet'),
  path: text(''),
  mode: Type.Enum(['Enforce', 'Observe']),
  suspended: Type.Boolean(),
  release: nullable(text('newest release')),
  revision: nullable(text('newest revision at which all its units were rendered')),
  rollout: nullable(Type.Object({ state: text(''), stage: nullable(text('')), succeeded: count(''), clusters: count('') })),
  clusters: count('units, one a cluster'),
  states: StateCounts,
  drift: count('units with drift'),
  problem: nullable(ProblemRow),
  removedAt: nullable(time('since when the configuration names it no more')),
});
export type DeliveryRow = Static<typeof DeliveryRow>;

export const DeliveryDetail = Type.Interface([DeliveryRow], {
  spec: Type.Unknown({ description: 'as configured, defaults filled in; durations in ms' }),
  position: nullable(Position),
});
export type DeliveryDetail = Static<typeof DeliveryDetail>;

export const SuspensionRow = Type.Object({
  target: text('unit/<namespace>/<delivery>/<cluster>, delivery/…, cluster/<name>, source/…'),
  by: text('caller, or the file that says so'),
  message: text(''),
  since: nullable(time('null when the configuration says so')),
  until: nullable(time('')),
  origin: Type.Enum(['Api', 'File'], { description: '`resume` lifts those of the API alone' }),
});
export type SuspensionRow = Static<typeof SuspensionRow>;

export const ClusterRow = Type.Object({
  name: text(''),
  uid: text('of the namespace kube-system'),
  namespace: text(''),
  accepted: Type.Boolean(),
  mode: Type.Enum(['Enforce', 'Observe']),
  suspended: Type.Boolean(),
  labels: Type.Record(Type.String(), Type.String()),
  online: Type.Boolean(),
  lastSeen: nullable(time('')),
  joinedAt: time(''),
  agentVersion: nullable(text('')),
  kubernetesVersion: nullable(text('')),
  digest: Type.Object(digest, { description: 'of the bundle' }),
  generation: Type.Object({ wanted: nullable(Type.Integer()), applied: nullable(Type.Integer()) }),
  units: count(''),
  states: StateCounts,
});
export type ClusterRow = Static<typeof ClusterRow>;

export const ClusterDetail = Type.Interface([ClusterRow], {
  vars: Type.Record(Type.String(), Type.String()),
  facts: Type.Unknown({ description: 'what the agent reported; never selects' }),
  suspensions: Type.Array(SuspensionRow),
});
export type ClusterDetail = Static<typeof ClusterDetail>;

export const ObjectRow = Type.Object({
  object: text('Deployment shop/web'),
  key: text('group/Kind/namespace/name'),
  apiVersion: nullable(text('')),
  file: nullable(text('where it is written, as far as it is known')),
  health: Type.Enum(['Current', 'InProgress', 'Failed', 'Terminating', 'NotFound', 'Unknown']),
  code: nullable(text('')),
  message: text('empty when it is well'),
});
export type ObjectRow = Static<typeof ObjectRow>;

export const DriftRow = Type.Object({
  object: text(''),
  kind: Type.Enum(['Missing', 'Differs']),
  paths: Type.Array(Type.String()),
  manager: nullable(text('who changed it')),
  message: text(''),
  at: time(''),
});
export type DriftRow = Static<typeof DriftRow>;

export const SnippetRow = Type.Object({
  file: text(''),
  first: Type.Integer({ minimum: 1, description: 'number of the first line' }),
  lines: Type.Array(Type.String()),
});
export type SnippetRow = Static<typeof SnippetRow>;

const ChangeRow = Type.Object({
  object: text(''),
  file: nullable(text('')),
  action: Type.Enum(['Added', 'Changed', 'Removed']),
});

export const UnitDetail = Type.Interface([UnitRow], {
  presence: Type.Enum(['Delivered', 'Kept', 'Delete', 'Orphan'], {
    description: 'Kept: no longer targeted, waits for approval to leave; Delete, Orphan: it leaves',
  }),
  problem: nullable(ProblemRow),
  snippet: nullable(SnippetRow),
  source: nullable(SourceRow),
  render: Type.Object({
    ok: Type.Boolean(),
    revision: nullable(text('at which the newest render that went well was made')),
    digest: nullable(text('')),
    objects: nullable(count('')),
  }),
  published: Type.Object({ digest: nullable(text('')), release: nullable(text('')), revision: nullable(text('')) }),
  change: nullable(
    Type.Object(
      {
        from: nullable(text('release before')),
        to: text('release wanted'),
        revision: text(''),
        commit: nullable(CommitRow),
        objects: Type.Array(ChangeRow),
        more: count('objects not listed'),
      },
      { description: 'what the wanted release changed in this unit' },
    ),
  ),
  applied: nullable(
    Type.Object({
      created: count(''),
      configured: count(''),
      unchanged: count(''),
      deleted: count(''),
      healthy: Type.Boolean(),
      state: StateName,
      since: time(''),
      mode: Type.Enum(['Enforce', 'Observe']),
    }),
  ),
  inventory: Type.Array(ObjectRow, { description: 'objects of the published content, those not ready first' }),
  driftObjects: Type.Array(DriftRow),
  lastUndone: nullable(DriftRow),
  agent: Type.Object({
    online: Type.Boolean(),
    lastSeen: nullable(time('')),
    reportedAt: nullable(time('last report of this unit')),
  }),
  suspensions: Type.Array(SuspensionRow),
  others: Type.Object(
    {
      clusters: count('clusters of the Delivery'),
      sameProblem: Type.Array(Type.String()),
      well: Type.Array(Type.String()),
    },
    { description: 'how the Delivery fares on its clusters; at most 20 names each' },
  ),
  events: Type.Array(EventRow, { description: 'newest first, at most 10' }),
});
export type UnitDetail = Static<typeof UnitDetail>;

export const NeedRow = Type.Object({
  kind: Type.Enum(['Hub', 'Config', 'Source', 'Failed', 'NotReady', 'Held', 'Offline', 'Pending', 'Drift']),
  subject: text('what needs a person'),
  namespace: nullable(text('')),
  where: nullable(text('cluster, or how many')),
  message: text(''),
  since: nullable(time('')),
  command: nullable(text('command that shows or mends it, without the word drover')),
});
export type NeedRow = Static<typeof NeedRow>;

export const FleetView = Type.Object({
  version: text(''),
  fleet: text(''),
  startedAt: time(''),
  now: time('clock of the hub'),
  clusters: Type.Object({ total: count(''), online: count(''), offline: count(''), pending: count('not accepted yet') }),
  units: count(''),
  states: StateCounts,
  drift: count('units with drift'),
  suspended: count('units that are suspended'),
  sources: Type.Array(SourceRow),
  deliveries: Type.Array(DeliveryRow),
  rollouts: Type.Array(RolloutRow, { description: 'in progress' }),
  needsYou: Type.Object({ items: Type.Array(NeedRow), total: count('') }),
  unmatched: Type.Object({ directories: Type.Array(Type.String()), clusters: Type.Array(Type.String()) }),
  publish: Type.Object({ pending: count(''), problem: nullable(text('')) }),
});
export type FleetView = Static<typeof FleetView>;

export const InfoView = Type.Object({
  version: text(''),
  fleet: text('UUID'),
  startedAt: time(''),
  addresses: Type.Object({ enrolment: text('host:port'), fleet: text('host:port'), nats: Type.Array(Type.String()) }),
  natsServer: nullable(Type.Object({ pid: Type.Integer() }, { description: 'the child, for callers with a role' })),
});
export type InfoView = Static<typeof InfoView>;

export const TokenRow = Type.Object({
  id: text(''),
  kind: Type.Enum(['join', 'api']),
  name: nullable(text('')),
  cluster: nullable(text('')),
  labels: Type.Record(Type.String(), Type.String()),
  enforce: Type.Boolean(),
  role: nullable(Type.Enum(['viewer', 'operator', 'admin'])),
  maxUses: count(''),
  uses: count(''),
  createdAt: time(''),
  expiresAt: nullable(time('')),
  revokedAt: nullable(time('')),
  state: Type.Enum(['Active', 'Used', 'Expired', 'Revoked']),
});
export type TokenRow = Static<typeof TokenRow>;

export const MadeTokenRow = Type.Object({
  id: text(''),
  kind: Type.Enum(['join', 'api']),
  token: text('shown this once'),
  expiresAt: nullable(time('')),
});
export type MadeTokenRow = Static<typeof MadeTokenRow>;

export const EffectView = Type.Object({
  done: Type.Boolean({ description: 'it has taken effect' }),
  waitingFor: Type.Array(
    Type.Object({ subject: text(''), message: text('') }, { description: 'what has not taken effect yet; at most 50' }),
  ),
  message: text('what was done'),
  suspensions: Type.Array(SuspensionRow, { description: 'what still suspends, after a resume' }),
});
export type EffectView = Static<typeof EffectView>;

export const ProblemDocument = Type.Object(
  {
    type: text('urn:drover:problem:<code>'),
    title: text(''),
    status: Type.Integer(),
    detail: text(''),
    code: text('stable'),
    hint: text('what to do'),
    subject: Type.Optional(text('')),
    position: Type.Optional(Position),
  },
  { description: 'RFC 9457' },
);
export type ProblemDocument = Static<typeof ProblemDocument>;

export interface List<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  readonly total: number;
}

/** Schema of a list of rows. */
export function listOf<T extends Type.TSchema>(row: T) {
  return Type.Object({
    items: Type.Array(row),
    next: nullable(text('cursor of the next page: pass it as `cursor`')),
    total: count('rows over all pages'),
  });
}
