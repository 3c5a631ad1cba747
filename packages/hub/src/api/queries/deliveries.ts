import type { Problem } from '@drover/contract';
import { DroverError, unitName } from '@drover/contract';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { Delivery } from '#config/types.ts';
import type { DeliveryTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { DeliveryDetail, DeliveryRow, List, RolloutRow } from '../rows.ts';
import type { Counts } from './counts.ts';
import { countUnits, noCounts } from './counts.ts';
import type { Reader } from './reader.ts';
import { iso, parse, releaseId } from './reader.ts';
import { newestRollouts } from './rollouts.ts';
import type { Suspensions } from './suspensions.ts';
import { deliverySuspensions, readSuspensions } from './suspensions.ts';

/** What rows of Deliveries are made from besides their own table. */
interface Around {
  readonly counts: ReadonlyMap<string, Counts>;
  readonly rollouts: ReadonlyMap<string, RolloutRow & { readonly stage: string | null }>;
  readonly suspensions: Suspensions;
}

export async function listDeliveries(reader: Reader, filter: { readonly namespace?: string }, page: Page): Promise<List<DeliveryRow>> {
  let narrowed = reader.db.selectFrom('delivery').selectAll();
  if (filter.namespace !== undefined) narrowed = narrowed.where('namespace', '=', filter.namespace);
  const rows = await narrowed
    .$if(page.after !== undefined, (query) => query.where(sql<boolean>`(namespace, name) > (${sql.join([...(page.after ?? [])])})`))
    .orderBy('namespace')
    .orderBy('name')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const around = await readAround(reader);
  return {
    ...paged(
      rows,
      page,
      (row) => [row.namespace, row.name],
      (row) => deliveryRow(row, around),
    ),
    total,
  };
}

/** @throws DroverError NOT_FOUND */
export async function deliveryDetail(
  reader: Reader,
  delivery: { readonly namespace: string; readonly name: string },
): Promise<DeliveryDetail> {
  const row = await requireDelivery(reader, delivery);
  const spec = JSON.parse(row.spec) as Delivery;
  const { position, ...rest } = spec;
  return { ...deliveryRow(row, await readAround(reader)), spec: rest, position: position ?? null };
}

/** @throws DroverError NOT_FOUND */
export async function requireDelivery(
  reader: Pick<Reader, 'db'>,
  delivery: { readonly namespace: string; readonly name: string },
): Promise<Selectable<DeliveryTable>> {
  const row = await reader.db
    .selectFrom('delivery')
    .selectAll()
    .where('namespace', '=', delivery.namespace)
    .where('name', '=', delivery.name)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new DroverError('NOT_FOUND', `Delivery ${unitName(delivery.namespace, delivery.name)}`, 'there is no such Delivery');
}

async function readAround(reader: Reader): Promise<Around> {
  return {
    counts: await countUnits(reader, 'delivery'),
    rollouts: await newestRollouts(reader),
    suspensions: await readSuspensions(reader),
  };
}

function deliveryRow(row: Selectable<DeliveryTable>, around: Around): DeliveryRow {
  const spec = JSON.parse(row.spec) as Delivery;
  const name = unitName(row.namespace, row.name);
  const counts = around.counts.get(name) ?? noCounts();
  const rollout = around.rollouts.get(name);
  return {
    name: row.name,
    namespace: row.namespace,
    source: `${spec.sourceRef.kind}/${unitName(spec.sourceRef.namespace, spec.sourceRef.name)}`,
    path: spec.path,
    mode: spec.mode,
    suspended: deliverySuspensions(around.suspensions, row, spec).length > 0,
    release: releaseId(row.name, row.release),
    revision: row.revision,
    rollout:
      rollout === undefined
        ? null
        : {
            state: rollout.state,
            stage: rollout.stage,
            succeeded: rollout.clusters.Succeeded,
            clusters: Object.values(rollout.clusters).reduce((all, some) => all + some, 0),
          },
    clusters: counts.units,
    states: counts.states,
    drift: counts.drift,
    problem: parse<Problem>(row.problem),
    removedAt: iso(row.removed_at),
  };
}
