import { FIELD_MANAGER } from '@drover/contract';
import type { LiveObject, ManagedField } from '#kube/types.ts';
import type { FieldSet } from './field-set.ts';
import { uniteFields } from './field-set.ts';
import { isOwn } from './owner.ts';

/**
 * Hands the fields of kubectl's managers to `drover`, so that a field which is in the object and not in Git goes with
 * the next apply, instead of staying for ever under a manager that never comes back.
 *
 * @returns a JSON patch that fails if the object has moved; undefined when kubectl owns nothing
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply
 */
export function migrationPatch(live: LiveObject): string | undefined {
  const fields = live.metadata.managedFields ?? [];
  const theirs = fields.filter(isKubectl);
  if (theirs.length === 0) return undefined;
  const own = fields.find(isOwn);
  const united = theirs.reduce((set, field) => uniteFields(set, (field.fieldsV1 ?? {}) as FieldSet), (own?.fieldsV1 ?? {}) as FieldSet);
  const [first] = theirs;
  const merged = {
    apiVersion: own?.apiVersion ?? first?.apiVersion,
    time: own?.time ?? first?.time,
    manager: FIELD_MANAGER,
    operation: 'Apply',
    fieldsType: 'FieldsV1',
    fieldsV1: united,
  };
  const rest = fields.filter((field) => !isKubectl(field) && !isOwn(field));
  return JSON.stringify([
    { op: 'replace', path: '/metadata/managedFields', value: [...rest, merged] },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
  ]);
}

/** `kubectl` (server-side apply) and `kubectl-*`, of the object itself; a subresource keeps its manager. */
export function isKubectl(field: ManagedField): boolean {
  const { manager = '', subresource = '' } = field;
  return subresource === '' && (manager === 'kubectl' || manager.startsWith('kubectl-') || manager === 'before-first-apply');
}
