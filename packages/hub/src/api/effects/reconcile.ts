import { DroverError, unitName } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import { forEachLimited } from '../../for-each-limited.ts';
import { requireCluster } from '../queries/clusters.ts';
import { requireDelivery } from '../queries/deliveries.ts';
import type { Reader } from '../queries/reader.ts';
import { requireSource } from '../queries/sources.ts';
import type { Target } from '../queries/suspensions.ts';
import { readSuspensions } from '../queries/suspensions.ts';
import { readUnit } from '../queries/units.ts';
import type { HubActions } from '../types.ts';
import { showTarget, suspensionsOf } from './suspend.ts';
import { unitsOf } from './units-of.ts';

const MAX_VERIFIES_IN_FLIGHT = 16;

interface Deps extends Reader {
  readonly actions: HubActions;
}

/**
 * Fetches what a target comes from and has its units rendered, and verified in the clusters, again. What can be known
 * beforehand is thrown at once; the rest is in the promise.
 *
 * @returns the work, started; it resolves when the agents were asked
 * @throws DroverError NOT_FOUND, CLUSTER_UNKNOWN; CONFLICT when it is suspended
 */
export async function reconcile(deps: Deps, target: Target): Promise<{ readonly run: Promise<unknown> }> {
  const work = await plan(deps, target);
  const [suspension] = await suspensionsOf(deps, target, await readSuspensions(deps));
  if (suspension !== undefined) {
    const why = suspension.message === '' ? '' : ` (${suspension.message})`;
    throw new DroverError('CONFLICT', showTarget(target), `${suspension.by} suspended ${suspension.target}${why}; resume it first`);
  }
  return { run: work() };
}

async function plan(deps: Deps, target: Target): Promise<() => Promise<unknown>> {
  switch (target.type) {
    case 'source': {
      await requireSource(deps, target);
      return () => deps.actions.fetchSource(target);
    }
    case 'cluster': {
      const { uid } = await requireCluster(deps, target.cluster);
      return () => deps.actions.verify({ uid });
    }
    case 'unit': {
      const row = await readUnit(deps, target);
      return () => deps.actions.verify({ uid: row.cluster, unit: unitName(target.namespace, target.delivery) });
    }
    case 'delivery': {
      const row = await requireDelivery(deps, { namespace: target.namespace, name: target.delivery });
      const { sourceRef } = JSON.parse(row.spec) as Delivery;
      const unit = unitName(target.namespace, target.delivery);
      return async () => {
        await deps.actions.fetchSource(sourceRef);
        await forEachLimited(await unitsOf(deps, target), MAX_VERIFIES_IN_FLIGHT, ({ cluster: uid }) => deps.actions.verify({ uid, unit }));
      };
    }
  }
}
