import { canonicalJson, digestOf } from '@drover/contract';
import type { Digest } from '@drover/contract';
import type { Delivery } from './types.ts';

/** Fields that only concern the bundle, or what happens on removal: changing them makes no release. */
const NO_CONTENT: ReadonlySet<string> = new Set([
  'namespace',
  'name',
  'position',
  'mode',
  'suspend',
  'deletionPolicy',
  'deletes',
] satisfies (keyof Delivery)[]);

/** Digest of what of a Delivery decides where it goes, what is rendered and how it is applied. */
export function configHash(delivery: Delivery): Digest {
  return digestOf(canonicalJson(Object.fromEntries(Object.entries(delivery).filter(([field]) => !NO_CONTENT.has(field)))));
}
