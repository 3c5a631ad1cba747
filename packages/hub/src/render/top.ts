import type { Json, JsonObject } from '@drover/contract';
import { posix } from 'node:path';
import type { Delivery } from '#config/types.ts';
import { isObject } from './json.ts';
import { TREE_FROM_TOP } from './kustomize.ts';

/** Fields of a Delivery that become a kustomization on top of what its path holds. */
export type TopFields = Pick<Delivery, 'patches' | 'images' | 'components' | 'namePrefix' | 'nameSuffix' | 'targetNamespace'>;

export function needsTop(fields: TopFields): boolean {
  const { patches, images, components, namePrefix, nameSuffix, targetNamespace } = fields;
  return patches.length + images.length + components.length > 0 || namePrefix !== '' || nameSuffix !== '' || targetNamespace !== undefined;
}

/** Fields that kustomize honours only in the file it starts with; they stay in force below a kustomization on top. */
const ROOT_ONLY = ['sortOptions', 'buildMetadata'] as const;

/**
 * The kustomization on top. A build with it equals one with the fields written into the kustomization file, without
 * touching that file.
 *
 * @param directory repository path that the components are relative to
 * @param resources as seen from the top
 * @param below the kustomization that the path holds, if it is one
 */
export function topKustomization(
  fields: TopFields,
  directory: string,
  resources: readonly string[],
  below: JsonObject | undefined,
): JsonObject {
  const { patches, images, components, namePrefix, nameSuffix, targetNamespace } = fields;
  const kept: Record<string, Json> = {};
  for (const field of ROOT_ONLY) {
    const value = below?.[field];
    if (value !== undefined && value !== null) kept[field] = value;
  }
  const openapi = below?.['openapi'];
  if (isObject(openapi)) {
    kept['openapi'] = typeof openapi['path'] === 'string' ? { ...openapi, path: fromTop(directory, openapi['path']) } : openapi;
  }
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    ...kept,
    resources,
    ...(components.length === 0 ? {} : { components: components.map((component) => fromTop(directory, component)) }),
    ...(patches.length === 0
      ? {}
      : { patches: patches.map(({ patch, target }) => (target === undefined ? { patch } : { patch, target: { ...target } })) }),
    ...(images.length === 0 ? {} : { images: images.map((image) => ({ ...image })) }),
    ...(namePrefix === '' ? {} : { namePrefix }),
    ...(nameSuffix === '' ? {} : { nameSuffix }),
    ...(targetNamespace === undefined ? {} : { namespace: targetNamespace }),
  };
}

export function fromTop(directory: string, path = ''): string {
  return posix.join(TREE_FROM_TOP, directory, path).replace(/\/$/, '');
}
