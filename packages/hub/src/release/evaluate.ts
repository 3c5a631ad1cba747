import type { Digest, ObjectKey, Problem, UnitName, UnitOptions } from '@drover/contract';
import { DroverError, showUnit, unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Delivery } from '#config/types.ts';
import type { StoredUnit } from '#publish/types.ts';
import type { RenderCluster, RenderResult, RenderedObject } from '#render/types.ts';
import type { Tree } from '#sources/types.ts';
import type { Database, UnitTable } from '#state/schema.ts';
import type { Db, Store } from '#state/store.ts';
import { stateOfRow, writeState } from '#state/unit-row.ts';
import { forEachLimited } from '../for-each-limited.ts';
import { unitOptions } from './options.ts';
import { planRelease } from './plan-release.ts';
import type { ReadIndex } from './read-index.ts';
import type { TargetCluster } from './targets.ts';
import { targetsOf } from './targets.ts';

/** A joined and accepted cluster, as far as releases need it. */
export interface EvaluateCluster extends TargetCluster, RenderCluster {
  readonly online: boolean;
  readonly lastSeen: number | undefined;
}

export interface EvaluateDeps {
  readonly store: Store;
  readonly now: () => number;
  readonly reads: ReadIndex;
  readonly render: (tree: Tree, delivery: Delivery, cluster: RenderCluster, signal: AbortSignal) => Promise<RenderResult>;
  readonly storeUnit: (
    unit: UnitName,
    options: UnitOptions,
    objects: readonly RenderedObject[],
    signal: AbortSignal,
  ) => Promise<StoredUnit>;
  /** Starts the rollout of a release that was just written. */
  readonly startRollout: (tx: Transaction<Database>, delivery: Delivery, number: number, clusters: readonly string[]) => Promise<void>;
  readonly log: { warn(fields: object, message: string): void };
}

export interface EvaluateInput {
  readonly delivery: Delivery;
  readonly configHash: string;
  readonly tree: Tree;
  /** All accepted clusters. */
  readonly clusters: readonly EvaluateCluster[];
  /** Render these only (UIDs); undefined for all. Targeting is judged for all in any case. */
  readonly only: ReadonlySet<string> | undefined;
  /** Only facts changed: the current release's units are renewed, and no release is made. */
  readonly factsOnly: boolean;
}

export interface Evaluated {
  /** UIDs of clusters whose bundle may change. */
  readonly touched: ReadonlySet<string>;
  /** UIDs that the engine failed on for reasons that are not the content's: to be rendered again later. */
  readonly retry: ReadonlySet<string>;
}

type Judged =
  | { readonly type: 'digest'; readonly digest: Digest }
  | { readonly type: 'problem'; readonly problem: Problem }
  | { readonly type: 'gone'; readonly note: string };

const MAX_RENDERS_IN_FLIGHT = 16;

/** `namespace/name@uid`: a unit's key in the read index. */
export function indexKey(name: UnitName, uid: string): string {
  return `${name}@${uid}`;
}

/**
 * Renders a Delivery for its clusters at one commit and, when every one of them has ended, writes what came of it: the
 * units' rows, and a release where some cluster would run something else. Nothing that fails removes anything: a unit
 * whose render failed, whose path vanished or whose selector stopped matching keeps its last digest.
 */
export async function evaluate(deps: EvaluateDeps, input: EvaluateInput, signal: AbortSignal): Promise<Evaluated> {
  const { delivery, tree } = input;
  const name = unitName(delivery.namespace, delivery.name);
  const { targets, problem } = targetsOf(delivery, input.clusters);
  if (problem !== undefined) {
    await setDeliveryProblem(deps.store, delivery, problem);
    return { touched: new Set(), retry: new Set() };
  }
  await setDeliveryProblem(deps.store, delivery, undefined);
  const rows = new Map((await rowsOf(deps.store.db, delivery)).map((row) => [row.cluster, row]));
  const judged = new Map<string, Judged>();
  const retry = new Set<string>();
  const queue = targets.filter((cluster) => input.only === undefined || input.only.has(cluster.uid));
  await forEachLimited(queue, MAX_RENDERS_IN_FLIGHT, async (cluster) => {
    const result = await judgeOne(deps, delivery, tree, cluster, rows.get(cluster.uid), signal);
    if (result.retry) retry.add(cluster.uid);
    if (result.judged !== undefined) judged.set(cluster.uid, result.judged);
  });
  const targeted = new Set(targets.map((cluster) => cluster.uid));
  for (const row of rows.values()) {
    if (!targeted.has(row.cluster) && input.clusters.some((cluster) => cluster.uid === row.cluster)) {
      judged.set(row.cluster, { type: 'gone', note: `the selector of ${name} no longer matches this cluster` });
      deps.reads.delete(indexKey(name, row.cluster));
    }
  }
  const touched = await deps.store.write((tx) => writeJudged(deps, tx, input, judged));
  return { touched, retry };
}

async function judgeOne(
  deps: EvaluateDeps,
  delivery: Delivery,
  tree: Tree,
  cluster: EvaluateCluster,
  row: UnitTable | undefined,
  signal: AbortSignal,
): Promise<{ readonly judged: Judged | undefined; readonly retry: boolean }> {
  const name = unitName(delivery.namespace, delivery.name);
  let result: RenderResult;
  try {
    result = await deps.render(tree, delivery, cluster, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = DroverError.from(thrown, showUnit(name, cluster.name));
    deps.log.warn({ err: error, unit: name, cluster: cluster.name }, 'render failed for no fault of the content');
    return { judged: { type: 'problem', problem: error.toProblem() }, retry: true };
  }
  deps.reads.set(indexKey(name, cluster.uid), result.reads);
  switch (result.type) {
    case 'rendered': {
      const stored = await deps.storeUnit(name, unitOptions(delivery), result.objects, signal);
      return { judged: { type: 'digest', digest: stored.digest }, retry: false };
    }
    case 'failed':
      return { judged: { type: 'problem', problem: result.problem }, retry: false };
    case 'absent': {
      if (row !== undefined && (row.published !== null || delivery.targeting.type === 'path')) {
        return { judged: { type: 'gone', note: `${result.path}/ is not there at ${tree.revision}` }, retry: false };
      }
      if (delivery.targeting.type === 'path') return { judged: undefined, retry: false };
      const problem = new DroverError('RENDER_NOTHING_FOUND', showUnit(name, cluster.name), `nothing found at ${result.path}`, {
        position: { file: result.path },
      }).toProblem();
      return { judged: { type: 'problem', problem }, retry: false };
    }
  }
}

/** Writes rows, and the release if there is one; returns the clusters whose bundle may change. */
async function writeJudged(
  deps: EvaluateDeps,
  tx: Transaction<Database>,
  input: EvaluateInput,
  judged: ReadonlyMap<string, Judged>,
): Promise<ReadonlySet<string>> {
  const { delivery, tree } = input;
  const now = deps.now();
  const clusters = new Map(input.clusters.map((cluster) => [cluster.uid, cluster]));
  const rows = new Map((await rowsOf(tx, delivery)).map((row) => [row.cluster, row]));
  const wanted = new Map<string, Digest>();
  for (const row of rows.values()) if (row.wanted !== null) wanted.set(row.cluster, row.wanted);
  const units = new Map([...judged].filter((entry): entry is [string, Exclude<Judged, { type: 'gone' }>] => entry[1].type !== 'gone'));
  const released = planRelease(wanted, units);
  const number = released.size === 0 ? undefined : await writeRelease(deps, tx, input, rows, judged, released, now);
  const touched = new Set<string>();
  for (const [uid, result] of judged) {
    const cluster = clusters.get(uid);
    if (cluster === undefined) continue;
    const row = rows.get(uid) ?? (await insertRow(tx, delivery, uid, now));
    if (result.type === 'gone' && row.published === null) {
      // Nothing of it ever reached the cluster.
      await tx
        .deleteFrom('unit')
        .where('namespace', '=', row.namespace)
        .where('delivery', '=', row.delivery)
        .where('cluster', '=', uid)
        .execute();
      continue;
    }
    const next = nextRow(delivery, tree, row, result, number, released.get(uid));
    if (next === undefined) continue;
    touched.add(uid);
    await writeState(
      deps.store,
      tx,
      row,
      next,
      stateOfRow(next, { online: cluster.online, lastSeen: cluster.lastSeen }, now),
      cluster.name,
      now,
    );
  }
  await tx
    .updateTable('delivery')
    .set({ revision: tree.revision })
    .where('namespace', '=', delivery.namespace)
    .where('name', '=', delivery.name)
    .execute();
  return touched;
}

function nextRow(
  delivery: Delivery,
  tree: Tree,
  row: UnitTable,
  result: Judged,
  number: number | undefined,
  released: Digest | undefined,
): UnitTable | undefined {
  switch (result.type) {
    case 'gone': {
      const presence = delivery.untargeted === 'Leave' ? (delivery.prune ? 'Delete' : 'Orphan') : 'Kept';
      if (row.presence === presence) return undefined;
      const note = presence === 'Kept' ? `${result.note}; its last content stays until it is approved to leave` : `leaves: ${result.note}`;
      return { ...row, presence, note, problem: null };
    }
    case 'problem': {
      const problem = JSON.stringify(result.problem);
      if (row.problem === problem && row.presence === 'Delivered') return undefined;
      return { ...row, presence: 'Delivered', note: null, problem };
    }
    case 'digest': {
      const same = row.rendered === result.digest && row.problem === null && row.presence === 'Delivered' && released === undefined;
      if (same) return undefined;
      return {
        ...row,
        presence: 'Delivered',
        note: null,
        problem: null,
        rendered: result.digest,
        rendered_revision: row.rendered === result.digest ? row.rendered_revision : tree.revision,
        ...(released === undefined
          ? {}
          : { wanted: released, wanted_release: number ?? row.wanted_release, wanted_revision: tree.revision }),
      };
    }
  }
}

async function writeRelease(
  deps: EvaluateDeps,
  tx: Transaction<Database>,
  input: EvaluateInput,
  rows: ReadonlyMap<string, UnitTable>,
  judged: ReadonlyMap<string, Judged>,
  released: ReadonlyMap<string, Digest>,
  now: number,
): Promise<number | undefined> {
  const { delivery, tree, configHash } = input;
  const { namespace, name } = delivery;
  const newest = await tx
    .selectFrom('release')
    .selectAll()
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  const joinedLate =
    newest !== undefined &&
    newest.revision === tree.revision &&
    newest.config_hash === configHash &&
    [...released.keys()].every((uid) => (rows.get(uid)?.wanted ?? null) === null);
  if (newest !== undefined && (joinedLate || input.factsOnly)) {
    // The release did not know these clusters yet, or their facts alone changed: it is renewed for them.
    for (const [cluster, digest] of released) {
      await tx
        .insertInto('release_unit')
        .values({ namespace, delivery: name, number: newest.number, cluster, digest, problem: null })
        .onConflict((conflict) => conflict.columns(['namespace', 'delivery', 'number', 'cluster']).doUpdateSet({ digest, problem: null }))
        .execute();
    }
    await deps.startRollout(tx, delivery, newest.number, [...released.keys()]);
    return newest.number;
  }
  const number = (newest?.number ?? 0) + 1;
  await tx
    .insertInto('release')
    .values({
      namespace,
      delivery: name,
      number,
      revision: tree.revision,
      commit: JSON.stringify(tree.commit),
      config_hash: configHash,
      created_at: now,
      deletes: delivery.prune ? await countDeletes(tx, rows, released) : 0,
    })
    .execute();
  const units = new Map<string, { digest: string | null; problem: string | null }>();
  for (const row of rows.values())
    if (row.wanted !== null && row.presence === 'Delivered') units.set(row.cluster, { digest: row.wanted, problem: null });
  for (const [cluster, result] of judged) {
    if (result.type === 'digest') units.set(cluster, { digest: result.digest, problem: null });
    else if (result.type === 'problem')
      units.set(cluster, { digest: rows.get(cluster)?.wanted ?? null, problem: JSON.stringify(result.problem) });
    else units.delete(cluster);
  }
  for (const chunk of chunks([...units], 500)) {
    await tx
      .insertInto('release_unit')
      .values(chunk.map(([cluster, unit]) => ({ namespace, delivery: name, number, cluster, ...unit })))
      .execute();
  }
  await tx.updateTable('delivery').set({ release: number }).where('namespace', '=', namespace).where('name', '=', name).execute();
  await tx
    .deleteFrom('release_unit')
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .where('number', '<=', number - KEPT_RELEASES)
    .execute();
  await deps.startRollout(tx, delivery, number, [...released.keys()]);
  await deps.store.event(tx, {
    severity: 'Info',
    reason: 'ReleaseCreated',
    unit: unitName(namespace, name),
    message: `${name}-${number}: ${tree.revision} "${tree.commit.subject}" (${tree.commit.author}) changes ${released.size} of ${units.size} clusters`,
  });
  return number;
}

const KEPT_RELEASES = 10;

/** Objects that a release removes over all clusters; those that another unit of the cluster lists do not count. */
async function countDeletes(
  tx: Transaction<Database>,
  rows: ReadonlyMap<string, UnitTable>,
  released: ReadonlyMap<string, Digest>,
): Promise<number> {
  const pairs = new Map<string, string[]>();
  for (const [uid, digest] of released) {
    const published = rows.get(uid)?.published;
    if (published === undefined || published === null || published === digest) continue;
    const pair = `${published} ${digest}`;
    pairs.set(pair, [...(pairs.get(pair) ?? []), uid]);
  }
  let deletes = 0;
  for (const [pair, uids] of pairs) {
    const [before = '', after = ''] = pair.split(' ');
    const next = new Set(await keysOf(tx, after));
    const removed = (await keysOf(tx, before)).filter((key) => !next.has(key));
    if (removed.length === 0) continue;
    for (const uid of uids) {
      const others = await tx.selectFrom('unit').select('rendered').where('cluster', '=', uid).where('rendered', 'is not', null).execute();
      const elsewhere = new Set<ObjectKey>();
      for (const other of others)
        if (other.rendered !== null && other.rendered !== before) for (const key of await keysOf(tx, other.rendered)) elsewhere.add(key);
      deletes += removed.filter((key) => !elsewhere.has(key)).length;
    }
  }
  return deletes;
}

async function keysOf(db: Db, digest: Digest): Promise<readonly ObjectKey[]> {
  const row = await db.selectFrom('unit_content').select('objects').where('digest', '=', digest).executeTakeFirst();
  return row === undefined ? [] : (JSON.parse(row.objects) as [ObjectKey][]).map(([key]) => key);
}

function rowsOf(db: Db, delivery: Delivery): Promise<UnitTable[]> {
  return db.selectFrom('unit').selectAll().where('namespace', '=', delivery.namespace).where('delivery', '=', delivery.name).execute();
}

async function insertRow(tx: Transaction<Database>, delivery: Delivery, cluster: string, now: number): Promise<UnitTable> {
  const row: UnitTable = {
    namespace: delivery.namespace,
    delivery: delivery.name,
    cluster,
    rendered: null,
    rendered_revision: null,
    problem: null,
    wanted: null,
    wanted_release: null,
    wanted_revision: null,
    published: null,
    published_release: null,
    published_revision: null,
    held: '[]',
    presence: 'Delivered',
    note: null,
    report: null,
    reported_at: null,
    applied: null,
    applied_release: null,
    applied_revision: null,
    state: 'Progressing',
    since: now,
    message: '',
    drift: 0,
  };
  await tx.insertInto('unit').values(row).execute();
  return row;
}

async function setDeliveryProblem(store: Store, delivery: Delivery, problem: Problem | undefined): Promise<void> {
  const text = problem === undefined ? null : JSON.stringify(problem);
  const row = await store.db
    .selectFrom('delivery')
    .select('problem')
    .where('namespace', '=', delivery.namespace)
    .where('name', '=', delivery.name)
    .executeTakeFirst();
  if (row === undefined || row.problem === text) return;
  await store.write(async (tx) => {
    await tx
      .updateTable('delivery')
      .set({ problem: text })
      .where('namespace', '=', delivery.namespace)
      .where('name', '=', delivery.name)
      .execute();
    if (problem !== undefined) {
      await store.event(tx, {
        severity: 'Error',
        reason: problem.code,
        unit: unitName(delivery.namespace, delivery.name),
        message: problem.message,
      });
    }
  });
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
