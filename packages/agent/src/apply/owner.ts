import { FIELD_MANAGER, UNIT_ANNOTATION } from '@drover/contract';
import type { UnitName } from '@drover/contract';
import type { LiveObject, ManagedField } from '#kube/types.ts';

/** Marks by which other tools show that they manage an object. Labels that charts merely print are not among them. */
const TOOLS: readonly { readonly tool: string; readonly annotations?: readonly string[]; readonly labels?: readonly string[] }[] = [
  { tool: 'Helm', annotations: ['meta.helm.sh/release-name'] },
  { tool: 'Flux', labels: ['kustomize.toolkit.fluxcd.io/name', 'helm.toolkit.fluxcd.io/name'] },
  { tool: 'Argo CD', annotations: ['argocd.argoproj.io/tracking-id'], labels: ['argocd.argoproj.io/instance'] },
  { tool: 'Fleet', annotations: ['objectset.rio.cattle.io/id'], labels: ['objectset.rio.cattle.io/hash', 'fleet.cattle.io/bundle-id'] },
  { tool: 'Config Sync', annotations: ['configmanagement.gke.io/managed'] },
];

/** The field manager's own entry: server-side apply by `drover`. */
export function ownField(live: LiveObject): ManagedField | undefined {
  return live.metadata.managedFields?.find(isOwn);
}

export function isOwn(field: ManagedField): boolean {
  return field.manager === FIELD_MANAGER && field.operation === 'Apply' && (field.subresource ?? '') === '';
}

/** Tells whether we applied this very object: labels and annotations alone prove nothing, operators copy them. */
export function isOurs(live: LiveObject, unit?: UnitName): boolean {
  if (ownField(live) === undefined) return false;
  const marked = live.metadata.annotations?.[UNIT_ANNOTATION];
  return unit === undefined ? marked !== undefined : marked === unit;
}

/** The other tool that manages the object; undefined when none shows. */
export function otherTool(live: LiveObject): { readonly tool: string; readonly mark: string } | undefined {
  const { annotations = {}, labels = {} } = live.metadata;
  for (const { tool, ...marks } of TOOLS) {
    const annotation = marks.annotations?.find((name) => annotations[name] !== undefined);
    if (annotation !== undefined) return { tool, mark: `annotation ${annotation}: ${annotations[annotation]}` };
    const label = marks.labels?.find((name) => labels[name] !== undefined);
    if (label !== undefined) return { tool, mark: `label ${label}: ${labels[label]}` };
  }
  return undefined;
}
