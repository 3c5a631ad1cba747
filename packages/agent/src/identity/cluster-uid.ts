import { DroverError, isUid } from '@drover/contract';
import type { Kube, KindInfo } from '#kube/types.ts';

const NAMESPACE: KindInfo = { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false };

/**
 * Who this cluster is: the UID of `kube-system`, read live each time an agent starts.
 *
 * @throws DroverError KUBE_*
 */
export async function readClusterUid(kube: Pick<Kube, 'get'>, signal: AbortSignal): Promise<string> {
  const namespace = await kube.get(NAMESPACE, { group: '', kind: 'Namespace', name: 'kube-system' }, signal);
  const uid = namespace?.metadata.uid ?? '';
  if (!isUid(uid)) throw new DroverError('KUBE_UNREACHABLE', 'Namespace kube-system', 'it is not there yet');
  return uid;
}
