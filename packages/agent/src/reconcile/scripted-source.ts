import type { BundleManifest, Head, KubeObject, LeftUnit, Mode, ObjectKey, UnitManifest, UnitName, UnitOptions } from '@drover/contract';
import {
  BUNDLE_FORMAT,
  canonicalJson,
  compareForApply,
  contentDigest,
  digestOf,
  DroverError,
  HEAD_FORMAT,
  keyOf,
  MANAGED_LABEL,
  refOf,
  UNIT_ANNOTATION,
  UNIT_FORMAT,
} from '@drover/contract';
import type { BundleSource, SeenHead, VerifiedBundle } from '#pull/types.ts';

/** Plain words for a unit; the rest is as a Delivery has it by default. */
export interface ScriptedUnit {
  readonly name: UnitName;
  readonly objects: readonly KubeObject[];
  readonly options?: Partial<UnitOptions>;
  readonly prune?: boolean;
  readonly mode?: Mode;
  readonly suspended?: boolean;
  readonly dependsOn?: readonly UnitName[];
}

export interface ScriptedHead {
  readonly epoch?: number;
  readonly generation: number;
  readonly fleet?: string;
}

export const SCRIPTED_OPTIONS: UnitOptions = {
  wait: true,
  drift: 'Correct',
  intervalMs: 600_000,
  retryIntervalMs: 60_000,
  timeoutMs: 300_000,
  healthChecks: [],
};

/** A source of bundles without hub and NATS: what is published is delivered, newest first. For simulation and tests. */
export interface ScriptedSource extends BundleSource {
  publish(bundle: VerifiedBundle): void;
  /** As a process that starts: nothing was delivered yet. */
  restarted(): ScriptedSource;
}

export function createScriptedSource(): ScriptedSource {
  let newest: VerifiedBundle | undefined;
  const listeners = new Set<() => void>();

  function open(): ScriptedSource {
    let floor: SeenHead | undefined;
    let delivered: VerifiedBundle | undefined;
    const due = (): VerifiedBundle | undefined => {
      if (newest === undefined || newest === delivered) return undefined;
      const order = floor === undefined ? 1 : newest.head.epoch - floor.epoch || newest.head.generation - floor.generation;
      return order >= 0 ? newest : undefined;
    };
    return {
      get current() {
        return delivered;
      },
      start(seen) {
        floor = seen;
      },
      async next(signal) {
        for (;;) {
          signal.throwIfAborted();
          const found = due();
          if (found !== undefined) return (delivered = found);
          await new Promise<void>((resolve, reject) => {
            const stop = (): void => {
              listeners.delete(wake);
              reject(signal.reason as Error);
            };
            const wake = (): void => {
              listeners.delete(wake);
              signal.removeEventListener('abort', stop);
              resolve();
            };
            listeners.add(wake);
            signal.addEventListener('abort', stop, { once: true });
          });
        }
      },
      publish(bundle) {
        newest = bundle;
        for (const wake of listeners) wake();
      },
      restarted: open,
    };
  }
  return open();
}

/** A bundle as the hub would compose it: objects marked, in apply order, with digests. */
export function scriptBundle(
  cluster: string,
  { epoch = 1, generation, fleet = 'fleet' }: ScriptedHead,
  units: readonly ScriptedUnit[],
  left: readonly LeftUnit[] = [],
): VerifiedBundle {
  const contents = new Map<string, string>();
  const manifests = new Map(units.map((unit) => [unit.name, manifestOf(unit, contents)]));
  const manifest: BundleManifest = {
    format: BUNDLE_FORMAT,
    fleet,
    cluster,
    units: units
      .map((unit) => ({
        name: unit.name,
        digest: unitDigestOf(manifests.get(unit.name)),
        manifest: [],
        prune: unit.prune ?? true,
        mode: unit.mode ?? ('Enforce' as const),
        suspended: unit.suspended ?? false,
        dependsOn: unit.dependsOn ?? [],
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    left,
  };
  const head: Head = {
    format: HEAD_FORMAT,
    fleet,
    cluster,
    epoch,
    generation,
    content: contentDigest(manifest),
    sealed: 'sha256:',
    size: 0,
    plainSize: 0,
  };
  return {
    head,
    manifest,
    async unit(name, signal) {
      signal.throwIfAborted();
      const found = manifests.get(name);
      if (found === undefined) throw new DroverError('BLOB_MISSING', `unit ${name}`, 'it is not part of the bundle');
      return found;
    },
    async object(_unit, object, signal) {
      signal.throwIfAborted();
      const found = contents.get(object.digest);
      if (found === undefined) throw new DroverError('BLOB_MISSING', object.key, 'no such content');
      return found;
    },
  };
}

/** JSON of an object as the hub marks it. */
export function markedObject(unit: UnitName, object: KubeObject): KubeObject {
  const { labels, annotations, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: { ...metadata, labels: { ...labels, [MANAGED_LABEL]: 'true' }, annotations: { ...annotations, [UNIT_ANNOTATION]: unit } },
  };
}

function manifestOf(unit: ScriptedUnit, contents: Map<string, string>): UnitManifest {
  const objects = unit.objects
    .map((object) => markedObject(unit.name, object))
    .sort((a, b) => compareForApply(refOf(a), refOf(b)))
    .map((object) => {
      const json = canonicalJson(object);
      const digest = digestOf(json);
      contents.set(digest, json);
      const key: ObjectKey = keyOf(refOf(object));
      return { key, apiVersion: object.apiVersion, digest, cipherKey: '', size: json.length, parts: [] };
    });
  return { format: UNIT_FORMAT, unit: unit.name, options: { ...SCRIPTED_OPTIONS, ...unit.options }, blobs: [], objects };
}

function unitDigestOf(manifest: UnitManifest | undefined): string {
  return digestOf(canonicalJson([manifest?.unit, manifest?.options, manifest?.objects.map((object) => [object.key, object.digest])]));
}
