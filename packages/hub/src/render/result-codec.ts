import type { Position, Problem } from '@drover/contract';
import { digestOf, sha256Hex } from '@drover/contract';
import type { RenderedObject } from './types.ts';

/** What a render says, without the paths it read: kept once for all clusters that get the same. */
export type Outcome =
  | { readonly type: 'rendered'; readonly objects: readonly RenderedObject[]; readonly warnings: readonly Problem[] }
  | { readonly type: 'failed'; readonly problem: Problem };

interface StoredObject {
  readonly key: string;
  readonly apiVersion: string;
  readonly json: string;
  readonly position?: Position;
}

export function encodeOutcome(outcome: Outcome): { readonly key: string; readonly bytes: Buffer } {
  const stored =
    outcome.type === 'failed'
      ? outcome
      : {
          type: outcome.type,
          warnings: outcome.warnings,
          objects: outcome.objects.map(({ key, apiVersion, json, position }): StoredObject =>
            position === undefined ? { key, apiVersion, json } : { key, apiVersion, json, position },
          ),
        };
  const bytes = Buffer.from(JSON.stringify(stored));
  return { key: sha256Hex(bytes), bytes };
}

/** Undefined for bytes that are not those of the key: then the render runs again. */
export function decodeOutcome(key: string, bytes: Uint8Array): Outcome | undefined {
  if (sha256Hex(bytes) !== key) return undefined;
  const stored = JSON.parse(Buffer.from(bytes).toString('utf8')) as
    | { readonly type: 'failed'; readonly problem: Problem }
    | { readonly type: 'rendered'; readonly objects: readonly StoredObject[]; readonly warnings: readonly Problem[] };
  if (stored.type === 'failed') return stored;
  return {
    type: 'rendered',
    warnings: stored.warnings,
    objects: stored.objects.map((object) => ({ ...object, digest: digestOf(object.json) })),
  };
}

/** Bytes it takes in memory, roughly. */
export function sizeOf(outcome: Outcome): number {
  if (outcome.type === 'failed') return 1000;
  return outcome.objects.reduce((sum, object) => sum + object.json.length + 400, 1000 + outcome.warnings.length * 300);
}
