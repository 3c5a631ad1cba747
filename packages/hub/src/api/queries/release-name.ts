import { DEFAULT_NAMESPACE, DroverError } from '@drover/contract';

export interface ReleaseName {
  readonly namespace: string;
  readonly delivery: string;
  readonly number: number;
}

/**
 * Reads `shop-214`.
 *
 * @throws DroverError NOT_FOUND when it cannot be the name of a release
 */
export function readReleaseName(id: string, namespace = DEFAULT_NAMESPACE): ReleaseName {
  const match = /^([a-z0-9][a-z0-9.-]{0,252})-([1-9]\d{0,8})$/.exec(id);
  if (match === null) throw new DroverError('NOT_FOUND', `release ${id.slice(0, 80)}`, 'releases are named <delivery>-<number>');
  return { namespace, delivery: match[1] ?? '', number: Number(match[2]) };
}
