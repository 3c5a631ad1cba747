import { showUnit, unitName } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { Db, NewEvent, Store } from '#state/store.ts';
import { requireCluster } from '../queries/clusters.ts';
import { requireDelivery } from '../queries/deliveries.ts';
import { inNamespace } from '../queries/needs.ts';
import type { Reader } from '../queries/reader.ts';
import { requireSource } from '../queries/sources.ts';
import type { Suspensions, Target } from '../queries/suspensions.ts';
import {
  clusterSuspensions,
  deliverySuspensions,
  readSuspensions,
  sourceSuspensions,
  targetKey,
  unitSuspensions,
} from '../queries/suspensions.ts';
import { readUnit } from '../queries/units.ts';
import type { SuspensionRow } from '../rows.ts';

interface Deps extends Reader {
  readonly store: Store;
}

/**
 * Suspends by API: hands off until it is resumed, or until its time is up. A target that is suspended already gets the
 * new message and time.
 *
 * @throws DroverError NOT_FOUND, CLUSTER_UNKNOWN
 */
export async function suspend(
  deps: Deps,
  target: Target,
  wish: { readonly by: string; readonly message: string; readonly until: number | undefined },
): Promise<void> {
  await requireTarget(deps, target);
  const row = { target: targetKey(target), by: wish.by, message: wish.message, since: deps.now(), until: wish.until ?? null };
  await deps.store.write(async (tx) => {
    await tx
      .insertInto('suspension')
      .values(row)
      .onConflict((conflict) => conflict.column('target').doUpdateSet({ by: row.by, message: row.message, until: row.until }))
      .execute();
    const message = `${showTarget(target)} is suspended${wish.message === '' ? '' : `: ${wish.message}`}`;
    await deps.store.event(tx, { ...eventOf(target), severity: 'Warning', reason: 'Suspended', message, actor: wish.by });
  });
}

/**
 * Lifts a suspension by API, and that alone. Where there is none it is harmless.
 *
 * @throws DroverError NOT_FOUND, CLUSTER_UNKNOWN
 */
export async function resume(
  deps: Deps,
  target: Target,
  by: string,
): Promise<{ readonly lifted: boolean; readonly still: readonly SuspensionRow[] }> {
  await requireTarget(deps, target);
  const lifted = await deps.store.write(async (tx) => {
    const { numDeletedRows } = await tx.deleteFrom('suspension').where('target', '=', targetKey(target)).executeTakeFirst();
    if (numDeletedRows > 0n)
      await deps.store.event(tx, {
        ...eventOf(target),
        severity: 'Info',
        reason: 'Resumed',
        message: `${showTarget(target)} is resumed`,
        actor: by,
      });
    return numDeletedRows > 0n;
  });
  return { lifted, still: await suspensionsOf(deps, target, await readSuspensions(deps)) };
}

/** Everything that suspends a target now. */
export async function suspensionsOf(reader: Reader, target: Target, suspensions: Suspensions): Promise<readonly SuspensionRow[]> {
  switch (target.type) {
    case 'cluster':
      return clusterSuspensions(reader, suspensions, target.cluster);
    case 'source': {
      const { suspended } = await requireSource(reader, target);
      const own = sourceSuspensions(suspensions, target, { suspend: false });
      return suspended && own.length === 0 ? sourceSuspensions(suspensions, target, { suspend: true }) : own;
    }
    case 'delivery':
    case 'unit': {
      const row = await requireDelivery(reader, { namespace: target.namespace, name: target.delivery });
      const spec = JSON.parse(row.spec) as Delivery;
      return target.type === 'unit' ? unitSuspensions(reader, suspensions, target, spec) : deliverySuspensions(suspensions, row, spec);
    }
  }
}

/** @throws DroverError NOT_FOUND, CLUSTER_UNKNOWN */
async function requireTarget(reader: Reader, target: Target): Promise<void> {
  if (target.type === 'unit') await readUnit(reader, target);
  else if (target.type === 'delivery') await requireDelivery(reader, { namespace: target.namespace, name: target.delivery });
  else if (target.type === 'cluster') await requireCluster(reader, target.cluster);
  else await requireSource(reader, target);
}

/** As people write it: `shop@prod-eu`, `Delivery shop`, `cluster prod-eu`, `GitRepository fleet`. */
export function showTarget(target: Target): string {
  switch (target.type) {
    case 'unit':
      return showUnit(unitName(target.namespace, target.delivery), target.cluster);
    case 'delivery':
      return `Delivery ${inNamespace(target.namespace, target.delivery)}`;
    case 'cluster':
      return `cluster ${target.cluster}`;
    case 'source':
      return `${target.kind} ${inNamespace(target.namespace, target.name)}`;
  }
}

export function eventOf(target: Target): Pick<NewEvent, 'unit' | 'cluster' | 'object'> {
  switch (target.type) {
    case 'unit':
      return { unit: unitName(target.namespace, target.delivery), cluster: target.cluster };
    case 'delivery':
      return { unit: unitName(target.namespace, target.delivery) };
    case 'cluster':
      return { cluster: target.cluster };
    case 'source':
      return { object: `${target.kind}/${target.namespace}/${target.name}` };
  }
}

/** UIDs of the clusters whose bundles a target's suspension is part of. */
export async function uidsOf(db: Db, target: Target): Promise<readonly string[]> {
  switch (target.type) {
    case 'source':
      return [];
    case 'delivery': {
      const rows = await db
        .selectFrom('unit')
        .select('cluster')
        .where('namespace', '=', target.namespace)
        .where('delivery', '=', target.delivery)
        .execute();
      return rows.map((row) => row.cluster);
    }
    default: {
      const rows = await db.selectFrom('cluster').select('uid').where('name', '=', target.cluster).execute();
      return rows.map((row) => row.uid);
    }
  }
}

/** Reads what {@link targetKey} writes; undefined for anything else. */
export function readTarget(key: string): Target | undefined {
  const [type, ...parts] = key.split('/');
  const [first = '', second = '', third = ''] = parts;
  if (type === 'unit' && parts.length === 3) return { type, namespace: first, delivery: second, cluster: third };
  if (type === 'delivery' && parts.length === 2) return { type, namespace: first, delivery: second };
  if (type === 'cluster' && parts.length === 1) return { type, cluster: first };
  if (type === 'source' && parts.length === 3) return { type, kind: first, namespace: second, name: third };
  return undefined;
}
