import type { Clock, Facts, Logger } from '@drover/contract';
import type { Kube } from '#kube/types.ts';

/**
 * What the agent tells of its cluster.
 *
 * @returns undefined when discovery could not be read in full: no information, never fewer kinds
 * @throws DroverError KUBE_*
 */
export async function readFacts(kube: Kube, agentVersion: string, signal: AbortSignal): Promise<Facts | undefined> {
  const [kubernetesVersion, kinds] = [await kube.version(signal), await kube.kinds(signal)];
  if (kinds === undefined) return undefined;
  const apiResources = kinds.map(({ group, version, kind, namespaced }) => ({ group, version, kind, namespaced }));
  const nameOf = ({ group, kind, version }: (typeof apiResources)[number]): string => `${group}/${kind}/${version}`;
  apiResources.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return { agentVersion, kubernetesVersion, apiResources };
}

/** Reads the facts now, and again every two minutes: CRDs come and go, servers are updated. */
const FACTS_MS = 120_000;
const RETRY_MS = 10_000;

export async function watchFacts(
  deps: {
    readonly kube: Kube;
    readonly clock: Clock;
    readonly log: Logger;
    readonly agentVersion: string;
    readonly told: (facts: Facts) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let waitMs = RETRY_MS;
    try {
      const facts = await readFacts(deps.kube, deps.agentVersion, signal);
      if (facts !== undefined) deps.told(facts);
      if (facts !== undefined) waitMs = FACTS_MS;
    } catch (thrown) {
      if (!signal.aborted) deps.log.warn({ err: thrown }, 'facts cannot be read now');
    }
    await deps.clock.sleep(waitMs, signal).catch(() => undefined);
  }
}
