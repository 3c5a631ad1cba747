import type { ObjectRef } from '@drover/contract';
import { AGENT_NAMESPACE, DroverError, showRef } from '@drover/contract';

/** The agent's own cluster-wide rights carry this name, or begin with it and a dash. */
const OWN_RIGHTS = 'drover-agent';
const RIGHTS: ReadonlySet<string> = new Set(['ClusterRole', 'ClusterRoleBinding']);

/**
 * Refuses what the hub may never reach, whatever it signs: the agent's own namespace with all that is in it, and the
 * agent's own rights. The same for apply and delete.
 *
 * @throws DroverError GUARD_REFUSED
 */
export function guardObject(ref: ObjectRef): void {
  const own =
    ref.namespace === AGENT_NAMESPACE ||
    (ref.group === '' && ref.kind === 'Namespace' && ref.name === AGENT_NAMESPACE) ||
    (ref.group === 'rbac.authorization.k8s.io' &&
      RIGHTS.has(ref.kind) &&
      (ref.name === OWN_RIGHTS || ref.name.startsWith(`${OWN_RIGHTS}-`)));
  if (own) throw new DroverError('GUARD_REFUSED', showRef(ref), 'it belongs to the agent itself');
}

const DAY_MS = 24 * 3_600_000;

/** The agent's own limit on deletes in any 24 hours, on the monotonic clock; the hub cannot raise it. */
export interface DeleteBudget {
  /** How many more are allowed now. */
  left(now: number): number;
  spend(now: number): void;
}

export function createDeleteBudget(max: number): DeleteBudget {
  let spent: number[] = [];
  const left = (now: number): number => {
    spent = spent.filter((at) => at > now - DAY_MS);
    return Math.max(0, max - spent.length);
  };
  return { left, spend: (now) => void spent.push(now) };
}
