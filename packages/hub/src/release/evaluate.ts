import type { Digest, LeftUnit, ObjectKey, Problem, UnitName, UnitOptions } from '@drover/contract';
import { DroverError, showUnit, unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Delivery, Named } from '#config/types.ts';
import type { StoredUnit } from '#publish/types.ts';
import type { RenderCluster, RenderResult, RenderedObject } from '#render/types.ts';
import type { Tree } from '#sources/types.ts';
import type { Database, UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { readBundle } from '#state/bundle.ts';
import { stateOfRow, writeState } from '#state/unit-row.ts';
import { forEachLimited } from '../for-each-limited.ts';
import { newUnitRow } from './new-unit-row.ts';
import { unitOptions } from './options.ts';
import { planRelease } from './plan-release.ts';
import type { ReadIndex } from './read-index.ts';
import type { TargetCluster } from './targets.ts';
import { targetsOf } from './targets.ts';
import type { Judged } from './types.ts';
import { writeRelease } from './write-release.ts';

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
  /** A cluster is no longer one of a Delivery's: its rollout does not wait for it. */
  readonly skipRollout: (tx: Transaction<Database>, delivery: Named, cluster: string) => Promise<void>;
  /** What would be deleted if a unit went from one list of objects to another. */
  readonly deletesBetween: (
    before: readonly ObjectKey[],
    after: readonly ObjectKey[],
    elsewhere: ReadonlySet<ObjectKey>,
  ) => readonly ObjectKey[];
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

const MAX_RENDERS_IN_FLIGHT = 16;
/** Below the number of parameters of one statement. */
const ROWS = 500;

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
  await setDeliveryProblem(deps.store, delivery, problem);
  if (problem !== undefined) return { touched: new Set(), retry: new Set() };
  const rows = await deps.store.db
    .selectFrom('unit')
    .select(['cluster', 'published'])
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .execute();
  const published = new Map(rows.map((row) => [row.cluster, row.published]));
  const judged = new Map<string, Judged>();
  const queue = targets.filter((cluster) => input.only === undefined || input.only.has(cluster.uid));
  await forEachLimited(queue, MAX_RENDERS_IN_FLIGHT, async (cluster) => {
    const verdict = await judgeOne(deps, delivery, tree, cluster, published.get(cluster.uid), signal);
    if (verdict !== undefined) judged.set(cluster.uid, verdict);
  });
  const retry = new Set([...judged].filter(([, verdict]) => verdict.type === 'unknown').map(([uid]) => uid));
  const targeted = new Set(targets.map((cluster) => cluster.uid));
  const accepted = new Set(input.clusters.map((cluster) => cluster.uid));
  for (const uid of published.keys()) {
    if (targeted.has(uid) || !accepted.has(uid)) continue;
    judged.set(uid, { type: 'gone', note: `the selector of ${name} no longer matches this cluster` });
    deps.reads.delete(indexKey(name, uid));
  }
  const touched = await deps.store.write((tx) => writeJudged(deps, tx, input, judged));
  return { touched, retry };
}

/**
 * What the newest content of a unit comes to; undefined where the Delivery does not concern the cluster.
 *
 * @param published undefined without a row, null with one that was never published
 */
async function judgeOne(
  deps: EvaluateDeps,
  delivery: Delivery,
  tree: Tree,
  cluster: EvaluateCluster,
  published: Digest | null | undefined,
  signal: AbortSignal,
): Promise<Judged | undefined> {
  const name = unitName(delivery.namespace, delivery.name);
  const subject = showUnit(name, cluster.name);
  try {
    const result = await deps.render(tree, delivery, cluster, signal);
    deps.reads.set(indexKey(name, cluster.uid), result.reads);
    if (result.type === 'failed') return { type: 'problem', problem: result.problem };
    if (result.type === 'rendered') {
      const stored = await deps.storeUnit(name, unitOptions(delivery), result.objects, signal);
      return { type: 'digest', digest: stored.digest };
    }
    const byPath = delivery.targeting.type === 'path';
    if (typeof published === 'string' || (published === null && byPath))
      return { type: 'gone', note: `${result.path}/ is not there at ${tree.revision}` };
    if (byPath) return undefined;
    const position = { file: result.path };
    return {
      type: 'problem',
      problem: new DroverError('RENDER_NOTHING_FOUND', subject, `nothing found at ${result.path}`, { position }).toProblem(),
    };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = DroverError.from(thrown, subject);
    if (error.kind === 'terminal') return { type: 'problem', problem: error.toProblem() };
    deps.log.warn({ err: error, unit: name, cluster: cluster.name }, 'render failed for no fault of the content');
    return { type: 'unknown', problem: error.toProblem() };
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
  const rows = await rowsOf(tx, delivery, [...judged.keys()]);
  const wanted = new Map<string, Digest>();
  for (const row of rows.values()) if (row.wanted !== null) wanted.set(row.cluster, row.wanted);
  const released = planRelease(wanted, judged);
  const number = released.size === 0 ? undefined : await writeRelease(deps, tx, input, rows, judged, released, now);
  const touched = new Set<string>();
  for (const [uid, verdict] of judged) {
    const cluster = clusters.get(uid);
    if (cluster === undefined) continue;
    const known = rows.get(uid);
    if (known === undefined && verdict.type === 'gone') continue;
    const row = known ?? (await insertRow(tx, delivery, uid, now));
    let left: LeftUnit['objects'] | undefined;
    if (verdict.type === 'gone') {
      if (row.presence === 'Delivered') await deps.skipRollout(tx, delivery, uid);
      // The row may lag behind the head: a hub that died in between has published what it did not write down.
      const bundle = row.published === null ? await readBundle(tx, uid) : undefined;
      const named = ({ name }: { readonly name: UnitName }): boolean => name === unitName(delivery.namespace, delivery.name);
      left = bundle?.left.find(named)?.objects;
      if (row.published === null && left === undefined && bundle?.units.some(named) !== true) {
        await deleteRow(tx, row);
        continue;
      }
    }
    const next = nextRow(delivery, tree, row, verdict, { number, released: released.get(uid), left });
    if (next === undefined) continue;
    touched.add(uid);
    const seen = { online: cluster.online, lastSeen: cluster.lastSeen };
    await writeState(deps.store, tx, row, next, stateOfRow(next, seen, now), cluster.name, now);
  }
  await tx
    .updateTable('delivery')
    .set({ revision: tree.revision })
    .where('namespace', '=', delivery.namespace)
    .where('name', '=', delivery.name)
    .execute();
  return touched;
}

interface NextRow {
  readonly number: number | undefined;
  /** Digest that is new to the cluster. */
  readonly released: Digest | undefined;
  /** The unit has left the bundle already. */
  readonly left: LeftUnit['objects'] | undefined;
}

/** Undefined when nothing of the row changes. */
function nextRow(
  delivery: Delivery,
  tree: Tree,
  row: UnitTable,
  verdict: Judged,
  { number, released, left }: NextRow,
): UnitTable | undefined {
  switch (verdict.type) {
    case 'gone': {
      // What has left already cannot be kept any more.
      const presence = left ?? (delivery.untargeted === 'Leave' ? (delivery.prune ? 'Delete' : 'Orphan') : 'Kept');
      if (row.presence === presence) return undefined;
      const note =
        presence === 'Kept' ? `${verdict.note}; its last content stays until it is approved to leave` : `leaves: ${verdict.note}`;
      return { ...row, presence, note, problem: null };
    }
    case 'problem': {
      const problem = JSON.stringify(verdict.problem);
      if (row.problem === problem && row.presence === 'Delivered') return undefined;
      return { ...row, presence: 'Delivered', note: null, problem };
    }
    case 'unknown': {
      // It proves nothing: neither that the unit is there, nor that it is not.
      const problem = JSON.stringify(verdict.problem);
      return row.problem === problem ? undefined : { ...row, problem };
    }
    case 'digest': {
      const { digest } = verdict;
      if (row.rendered === digest && row.problem === null && row.presence === 'Delivered' && released === undefined) return undefined;
      return {
        ...row,
        presence: 'Delivered',
        note: null,
        problem: null,
        rendered: digest,
        rendered_revision: row.rendered === digest ? row.rendered_revision : tree.revision,
        ...(released === undefined
          ? {}
          : { wanted: released, wanted_release: number ?? row.wanted_release, wanted_revision: tree.revision }),
      };
    }
  }
}

async function rowsOf(tx: Transaction<Database>, delivery: Named, uids: readonly string[]): Promise<ReadonlyMap<string, UnitTable>> {
  const rows = new Map<string, UnitTable>();
  for (let at = 0; at < uids.length; at += ROWS) {
    const some = await tx
      .selectFrom('unit')
      .selectAll()
      .where('namespace', '=', delivery.namespace)
      .where('delivery', '=', delivery.name)
      .where('cluster', 'in', uids.slice(at, at + ROWS))
      .execute();
    for (const row of some) rows.set(row.cluster, row);
  }
  return rows;
}

async function insertRow(tx: Transaction<Database>, delivery: Named, cluster: string, now: number): Promise<UnitTable> {
  const row = newUnitRow(delivery, cluster, now);
  await tx.insertInto('unit').values(row).execute();
  return row;
}

async function deleteRow(tx: Transaction<Database>, row: UnitTable): Promise<void> {
  await tx
    .deleteFrom('unit')
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .where('cluster', '=', row.cluster)
    .execute();
}

async function setDeliveryProblem(store: Store, delivery: Named, problem: Problem | undefined): Promise<void> {
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
