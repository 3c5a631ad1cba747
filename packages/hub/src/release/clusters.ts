import type { Facts } from '@drover/contract';
import { canonicalJson } from '@drover/contract';
import type { ClusterSpec } from '#config/types.ts';
import type { ClusterTable } from '#state/schema.ts';
import type { Db } from '#state/store.ts';
import type { EvaluateCluster } from './evaluate.ts';

/** A joined and accepted cluster, with what the configuration declares of it. */
export interface FleetCluster extends EvaluateCluster {
  readonly row: ClusterTable;
  readonly mode: 'Enforce' | 'Observe';
  readonly suspended: boolean;
  /** Of labels and variables: a change renders its units again. */
  readonly inputs: string;
}

/** Every cluster carries it, so that a selector can name one. */
export const NAME_LABEL = 'drover.dev/name';

/**
 * Accepted clusters in the order of their names. Labels come from the token and, on top, from the configuration; never
 * from what an agent reports.
 *
 * @param suspended targets of suspensions by API
 */
export async function fleetClusters(
  db: Db,
  declared: readonly ClusterSpec[],
  suspended: ReadonlySet<string>,
): Promise<readonly FleetCluster[]> {
  const specs = new Map(declared.map((spec) => [spec.name, spec]));
  const rows = await db.selectFrom('cluster').selectAll().where('accepted', '=', 1).orderBy('name').execute();
  return rows.map((row) => {
    const spec = specs.get(row.name);
    const labels = labelsOf(row, spec);
    const vars = spec?.vars ?? {};
    const facts = row.facts === null ? undefined : (JSON.parse(row.facts) as Facts);
    return {
      uid: row.uid,
      name: row.name,
      labels,
      vars,
      apiResources: facts?.apiResources,
      online: row.online === 1,
      lastSeen: row.last_seen ?? row.joined_at,
      row,
      mode: spec?.mode ?? (row.mode === 'Enforce' ? 'Enforce' : 'Observe'),
      suspended: spec?.suspend === true || suspended.has(`cluster/${row.name}`),
      inputs: canonicalJson({ labels, vars }),
    };
  });
}

export function labelsOf(row: Pick<ClusterTable, 'name' | 'labels'>, spec: ClusterSpec | undefined): Readonly<Record<string, string>> {
  return { ...(JSON.parse(row.labels) as Record<string, string>), ...spec?.labels, [NAME_LABEL]: row.name };
}
