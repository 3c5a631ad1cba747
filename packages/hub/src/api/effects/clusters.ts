import { DroverError } from '@drover/contract';
import type { Selectable } from 'kysely';
import type { ClusterTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { requireCluster } from '../queries/clusters.ts';
import type { Reader } from '../queries/reader.ts';
import { declaredOf } from '../queries/reader.ts';
import type { HubActions } from '../types.ts';

interface Deps extends Reader {
  readonly store: Store;
  readonly actions: HubActions;
}

/**
 * Lets a cluster that joined by a token of several uses into the fleet. Accepting again is harmless.
 *
 * @throws DroverError CLUSTER_UNKNOWN
 */
export async function accept(deps: Deps, name: string, actor: string): Promise<{ readonly uid: string; readonly run: Promise<unknown> }> {
  const row = await requireCluster(deps, name);
  if (row.accepted === 0) await change(deps, row, { accepted: 1 }, 'ClusterAccepted', `cluster ${name} is accepted`, actor);
  return { uid: row.uid, run: deps.actions.recompose([row.uid]) };
}

/**
 * Turns a cluster away that was not accepted yet: nothing was ever delivered to it.
 *
 * @throws DroverError CLUSTER_UNKNOWN; CONFLICT when it was accepted
 */
export async function reject(deps: Deps, name: string, actor: string): Promise<void> {
  const row = await requireCluster(deps, name);
  if (row.accepted === 1) throw new DroverError('CONFLICT', `cluster ${name}`, 'it was accepted; only one that waits can be rejected');
  await deps.store.write(async (tx) => {
    await tx.deleteFrom('cluster').where('uid', '=', row.uid).where('accepted', '=', 0).execute();
    await deps.store.event(tx, {
      severity: 'Warning',
      reason: 'ClusterRejected',
      cluster: name,
      message: `cluster ${name} is rejected`,
      actor,
    });
  });
  await deps.actions.disconnect(row.uid, row.nats_user ?? undefined);
}

/**
 * From `Observe` to `Enforce`.
 *
 * @throws DroverError CLUSTER_UNKNOWN; CONFLICT when it is not accepted, or the configuration says otherwise
 */
export async function enforce(deps: Deps, name: string, actor: string): Promise<{ readonly uid: string; readonly run: Promise<unknown> }> {
  const row = await requireCluster(deps, name);
  if (row.accepted === 0) throw new DroverError('CONFLICT', `cluster ${name}`, `accept it first: drover cluster accept ${name}`);
  const declared = declaredOf(deps, name);
  if (declared?.mode === 'Observe') {
    const where = declared.position === undefined ? 'the configuration' : declared.position.file;
    throw new DroverError('CONFLICT', `cluster ${name}`, `${where} says mode: Observe; change it there`);
  }
  if (row.mode !== 'Enforce')
    await change(deps, row, { mode: 'Enforce' }, 'ClusterEnforced', `cluster ${name} is enforced from now on`, actor);
  return { uid: row.uid, run: deps.actions.recompose([row.uid]) };
}

async function change(
  deps: Deps,
  row: Selectable<ClusterTable>,
  set: { readonly accepted?: number; readonly mode?: string },
  reason: string,
  message: string,
  actor: string,
): Promise<void> {
  await deps.store.write(async (tx) => {
    await tx.updateTable('cluster').set(set).where('uid', '=', row.uid).execute();
    await deps.store.event(tx, { severity: 'Info', reason, cluster: row.name, message, actor });
  });
}
