import type { Effect } from '@drover/contract';
import { AGENT_NAMESPACE, DroverError } from '@drover/contract';
import type { CrashPoint } from '#crash-points';
import type { Kube, KindInfo, LiveObject } from '#kube/types.ts';
import type { Held } from './codec.ts';
import { secretData, secretJson } from './codec.ts';

const SECRET: KindInfo = { group: '', version: 'v1', kind: 'Secret', resource: 'secrets', namespaced: true };
const NAMESPACE: KindInfo = { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false };
const ATTEMPTS = 3;

/** `moved`: somebody else wrote it since it was read or written here; nothing was overwritten. */
export type WriteResult = 'written' | 'moved';

/** The agent's own Secrets. Remembers the version of each it has read or written, and replaces only that. */
export interface SecretStore {
  read(name: string, signal: AbortSignal): Promise<LiveObject | undefined>;
  list(component: string, signal: AbortSignal): Promise<readonly LiveObject[]>;
  /**
   * Creates, or replaces the version known here. A lost reply is resolved by reading.
   *
   * @throws DroverError KUBE_OUTCOME_UNKNOWN when that fails, too
   */
  write(
    point: CrashPoint,
    name: string,
    component: string,
    data: Readonly<Record<string, Uint8Array>>,
    signal: AbortSignal,
  ): Promise<WriteResult>;
  /** Deletes the version known here; what was never known or has moved stays. */
  remove(point: CrashPoint, name: string, signal: AbortSignal): Promise<void>;
  /** Version known here. */
  held(name: string): Held | undefined;
}

export function createSecretStore(deps: { readonly kube: Kube; readonly effect: Effect }): SecretStore {
  const { kube, effect } = deps;
  const known = new Map<string, Held>();

  function remember(secret: LiveObject): LiveObject {
    known.set(secret.metadata.name, { uid: secret.metadata.uid, resourceVersion: secret.metadata.resourceVersion });
    return secret;
  }

  async function read(name: string, signal: AbortSignal): Promise<LiveObject | undefined> {
    const secret = await kube.get(SECRET, refOf(name), signal);
    if (secret === undefined) known.delete(name);
    return secret === undefined ? undefined : remember(secret);
  }

  async function list(component: string, signal: AbortSignal): Promise<readonly LiveObject[]> {
    const page = await kube.list(SECRET, { namespace: AGENT_NAMESPACE, labelSelector: `drover.dev/component=${component}` }, signal);
    return page.items.map(remember);
  }

  async function send(point: CrashPoint, name: string, json: string, signal: AbortSignal): Promise<void> {
    const create = !known.has(name);
    const secret = await effect(point, () =>
      create ? kube.create(SECRET, AGENT_NAMESPACE, json, signal) : kube.replace(SECRET, refOf(name), json, signal),
    );
    remember(secret);
  }

  const write: SecretStore['write'] = async (point, name, component, data, signal) => {
    for (let attempt = 1; ; attempt++) {
      const before = known.get(name);
      try {
        await send(point, name, secretJson(name, component, data, before), signal);
        return 'written';
      } catch (thrown) {
        const error = DroverError.from(thrown, `Secret ${name}`);
        if (error.code === 'KUBE_NAMESPACE_MISSING' && attempt < ATTEMPTS) {
          await makeNamespace(point, signal);
          continue;
        }
        if (!UNSURE.has(error.code) || attempt === ATTEMPTS) throw error;
        const live = await read(name, signal).catch((thrownNow: unknown) => {
          signal.throwIfAborted();
          throw new DroverError('KUBE_OUTCOME_UNKNOWN', `Secret ${name}`, 'it cannot be read whether it was written', { cause: thrownNow });
        });
        if (live !== undefined && sameData(live, data)) return 'written';
        if (live?.metadata.resourceVersion !== before?.resourceVersion && live !== undefined) return 'moved';
      }
    }
  };

  async function makeNamespace(point: CrashPoint, signal: AbortSignal): Promise<void> {
    const json = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: AGENT_NAMESPACE } });
    try {
      await effect(point, () => kube.create(NAMESPACE, undefined, json, signal));
    } catch (thrown) {
      if (!UNSURE.has(DroverError.from(thrown, 'namespace').code)) throw thrown;
    }
  }

  async function remove(point: CrashPoint, name: string, signal: AbortSignal): Promise<void> {
    const held = known.get(name);
    if (held === undefined) return;
    await effect(point, () => kube.delete(SECRET, refOf(name), { ...held, propagation: 'Background' }, signal));
    known.delete(name);
  }

  return { read, list, write, remove, held: (name) => known.get(name) };
}

/** Whether the write took effect is to be read: it may have been refused because of our own earlier one. */
const UNSURE: ReadonlySet<string> = new Set(['KUBE_CONFLICT', 'KUBE_OUTCOME_UNKNOWN', 'NOT_FOUND']);

function refOf(name: string): { group: string; kind: string; namespace: string; name: string } {
  return { group: '', kind: 'Secret', namespace: AGENT_NAMESPACE, name };
}

function sameData(secret: LiveObject, data: Readonly<Record<string, Uint8Array>>): boolean {
  return Object.entries(data).every(([key, bytes]) => {
    const live = secretData(secret, key);
    return live !== undefined && Buffer.compare(live, bytes) === 0;
  });
}
