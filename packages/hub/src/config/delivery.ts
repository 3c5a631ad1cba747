import { DEFAULT_NAMESPACE } from '@drover/contract';
import type { Static } from 'typebox';
import type { Converted } from './git-repository.ts';
import { ms } from './git-repository.ts';
import { healthCheckOf } from './health-check.ts';
import type { DeliveryDocument } from './schema/delivery.ts';
import type { labelSelector } from './schema/fields.ts';
import type { FluxKustomizationDocument } from './schema/flux-kustomization.ts';
import { CLUSTERS_ANNOTATION } from './schema/flux-kustomization.ts';
import { parseSelector } from './selector.ts';
import { plainPath } from './text-kinds.ts';
import type { Delivery, HealthCheck, Image, LabelSelector, Patch, Targeting } from './types.ts';
import { DEFAULT_DELETES } from './types.ts';
import type { Issue } from './validate.ts';

export function convertDelivery({ metadata, spec }: DeliveryDocument): Converted<Delivery> {
  const namespace = metadata.namespace ?? DEFAULT_NAMESPACE;
  const shared = renderingOf(spec, namespace);
  const targeting = spec.clusters === undefined ? { value: { type: 'path' } as const } : selectorTargeting(spec.clusters);
  if ('issues' in shared || 'issues' in targeting) return { issues: [...issuesOf(shared), ...issuesOf(targeting)] };
  return {
    value: {
      namespace,
      name: metadata.name,
      ...shared.value,
      targeting: targeting.value,
      mode: spec.mode ?? 'Enforce',
      prune: spec.prune ?? true,
      intervalMs: ms(spec.interval),
      retryIntervalMs: ms(spec.retryInterval),
      timeoutMs: ms(spec.timeout),
      wait: spec.wait ?? true,
      drift: spec.drift ?? 'Correct',
      allowEmpty: spec.allowEmpty ?? false,
      untargeted: spec.untargeted ?? 'Hold',
      deletionPolicy: spec.deletionPolicy ?? 'Orphan',
      deletes: DEFAULT_DELETES,
      suspend: spec.suspend ?? false,
    },
  };
}

/** Flux's defaults: timeouts and retries follow the interval, nothing waits for health, what was pruned is deleted with it. */
export function convertKustomization({ metadata, spec }: FluxKustomizationDocument): Converted<Delivery> {
  const namespace = metadata.namespace ?? DEFAULT_NAMESPACE;
  const shared = renderingOf(spec, namespace);
  const targeting = fluxTargeting(metadata.annotations?.[CLUSTERS_ANNOTATION]);
  if ('issues' in shared || 'issues' in targeting) return { issues: [...issuesOf(shared), ...issuesOf(targeting)] };
  const { deletionPolicy = 'MirrorPrune' } = spec;
  return {
    value: {
      namespace,
      name: metadata.name,
      ...shared.value,
      targeting: targeting.value,
      mode: 'Enforce',
      prune: spec.prune,
      intervalMs: ms(spec.interval),
      retryIntervalMs: ms(spec.retryInterval ?? spec.interval),
      timeoutMs: ms(spec.timeout ?? spec.interval),
      wait: spec.wait ?? false,
      drift: 'Correct',
      allowEmpty: false,
      untargeted: 'Hold',
      deletionPolicy: deletionPolicy === 'Delete' || (deletionPolicy === 'MirrorPrune' && spec.prune) ? 'Delete' : 'Orphan',
      deletes: DEFAULT_DELETES,
      suspend: spec.suspend ?? false,
    },
  };
}

type Rendering = Pick<
  Delivery,
  | 'sourceRef'
  | 'path'
  | 'dependsOn'
  | 'healthChecks'
  | 'patches'
  | 'images'
  | 'components'
  | 'namePrefix'
  | 'nameSuffix'
  | 'commonMetadata'
  | 'postBuild'
  | 'targetNamespace'
>;

function renderingOf(spec: DeliveryDocument['spec'] | FluxKustomizationDocument['spec'], namespace: string): Converted<Rendering> {
  const { sourceRef, postBuild, targetNamespace, commonMetadata } = spec;
  const issues: Issue[] = [];
  const healthChecks: HealthCheck[] = [];
  for (const [index, check] of (spec.healthChecks ?? []).entries()) {
    const known = healthCheckOf(check, targetNamespace);
    if (known !== undefined) healthChecks.push(known);
    else
      issues.push({
        code: 'CONFIG_INVALID',
        path: ['spec', 'healthChecks', index, 'apiVersion'],
        at: 'value',
        message: `is missing: ${check.kind} is no kind of Kubernetes itself`,
      });
  }
  if (issues.length > 0) return { issues };
  return {
    value: {
      sourceRef: { kind: 'GitRepository', namespace: sourceRef.namespace ?? namespace, name: sourceRef.name },
      path: plainPath(spec.path ?? ''),
      dependsOn: (spec.dependsOn ?? []).map((one) => ({ namespace: one.namespace ?? namespace, name: one.name })),
      healthChecks,
      patches: (spec.patches ?? []) as readonly Patch[],
      images: (spec.images ?? []) as readonly Image[],
      components: spec.components ?? [],
      namePrefix: spec.namePrefix ?? '',
      nameSuffix: spec.nameSuffix ?? '',
      commonMetadata: { labels: commonMetadata?.labels ?? {}, annotations: commonMetadata?.annotations ?? {} },
      ...(postBuild === undefined
        ? {}
        : { postBuild: { substitute: postBuild.substitute ?? {}, strategy: postBuild.substituteStrategy ?? 'Strict' } }),
      ...(targetNamespace === undefined ? {} : { targetNamespace }),
    },
  };
}

function selectorTargeting(written: Static<ReturnType<typeof labelSelector>>): Converted<Targeting> {
  const issues: Issue[] = [];
  const matchExpressions = (written.matchExpressions ?? []).map(({ key, operator, values = [] }, index) => {
    const needs = operator === 'In' || operator === 'NotIn';
    if (needs === values.length > 0) return { key, operator, values };
    const path = ['spec', 'clusters', 'matchExpressions', index, 'values'];
    issues.push({
      code: 'CONFIG_INVALID',
      path,
      at: 'value',
      message: needs ? `is missing: ${operator} compares with values` : `must be empty: ${operator} compares with nothing`,
    });
    return { key, operator, values };
  });
  if (issues.length > 0) return { issues };
  const selector: LabelSelector = { matchLabels: written.matchLabels ?? {}, matchExpressions };
  return { value: { type: 'selector', selector } };
}

function fluxTargeting(annotation: string | undefined): Converted<Targeting> {
  if (annotation === undefined) return { value: { type: 'flux' } };
  const selector = parseSelector(annotation);
  if (selector !== undefined) return { value: { type: 'selector', selector } };
  const path = ['metadata', 'annotations', CLUSTERS_ANNOTATION];
  return { issues: [{ code: 'CONFIG_INVALID', path, at: 'value', message: 'is no selector; write env=prod,region in (eu,us)' }] };
}

function issuesOf(converted: Converted<unknown>): readonly Issue[] {
  return 'issues' in converted ? converted.issues : [];
}
