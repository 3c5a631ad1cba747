import type { Facts } from '@drover/contract';
import { canonicalJson } from '@drover/contract';
import type { ClusterSpec } from '#config/types.ts';
import type { ClusterTable } from '#state/schema.ts';
import type { Db } from '#state/store.ts';
import type { EvaluateCluster } from './evaluate.ts';

/** A joined and accepted cluster, with what the configuration declares of it. */
export interface FleetCluster extends EvaluateCluster {
  readonly row: Omit<ClusterTable, 'facts'>;
  readonly mode: 'Enforce' | 'Observe';
  readonly suspended: boolean;
  /** Of labels and variables: a change renders its units again. */
  readonly inputs: string;
}

/** Every cluster carries it, so that a selector can name one. */
export const NAME_LABEL = 'drover.dev/name';

export interface Fleet {
  /**
   * Accepted clusters in the order of their names. Labels come from the token and, on top, from the configuration; never
   * from what an agent reports.
   *
   * @param suspended targets of suspensions by API
   */
  clusters(declared: readonly ClusterSpec[], suspended: ReadonlySet<string>): Promise<readonly FleetCluster[]>;
  /** The facts of a cluster were written: they are read again. */
  factsChanged(uid: string): void;
}

/** Facts are long and seldom change: they are read once, so that a pass costs little however large the fleet is. */
export function createFleet(db: Db): Fleet {
  const resources = new Map<string, Facts['apiResources'] | undefined>();

  async function readFacts(uids: readonly string[]): Promise<void> {
    for (let at = 0; at < uids.length; at += ROWS) {
      const some = await db
        .selectFrom('cluster')
        .select(['uid', 'facts'])
        .where('uid', 'in', uids.slice(at, at + ROWS))
        .execute();
      for (const { uid, facts } of some) resources.set(uid, facts === null ? undefined : (JSON.parse(facts) as Facts).apiResources);
    }
  }

  return {
    factsChanged: (uid) => void resources.delete(uid),
    async clusters(declared, suspended) {
      const specs = new Map(declared.map((spec) => [spec.name, spec]));
      const rows = await db.selectFrom('cluster').select(COLUMNS).where('accepted', '=', 1).orderBy('name').execute();
      const accepted = new Set(rows.map((row) => row.uid));
      for (const uid of resources.keys()) if (!accepted.has(uid)) resources.delete(uid);
      await readFacts([...accepted].filter((uid) => !resources.has(uid)));
      return rows.map((row) => {
        const spec = specs.get(row.name);
        const labels = labelsOf(row, spec);
        const vars = spec?.vars ?? {};
        return {
          uid: row.uid,
          name: row.name,
          labels,
          vars,
          apiResources: resources.get(row.uid),
          online: row.online === 1,
          lastSeen: row.last_seen ?? row.joined_at,
          row,
          mode: spec?.mode ?? (row.mode === 'Enforce' ? 'Enforce' : 'Observe'),
          suspended: spec?.suspend === true || suspended.has(`cluster/${row.name}`),
          inputs: canonicalJson({ labels, vars }),
        };
      });
    },
  };
}

const ROWS = 500;

/** All but the facts. */
const COLUMNS = [
  'uid',
  'name',
  'namespace',
  'accepted',
  'labels',
  'mode',
  'sealing_key',
  'identity_key',
  'nats_user',
  'agent_version',
  'joined_at',
  'last_seen',
  'online',
  'seen_fleet',
  'seen_epoch',
  'seen_generation',
  'applied_content',
] as const satisfies readonly (keyof ClusterTable)[];

export function labelsOf(row: Pick<ClusterTable, 'name' | 'labels'>, spec: ClusterSpec | undefined): Readonly<Record<string, string>> {
  return { ...(JSON.parse(row.labels) as Record<string, string>), ...spec?.labels, [NAME_LABEL]: row.name };
}
