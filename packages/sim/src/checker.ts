import type { KubeObject, ObjectKey, UnitName } from '@drover/contract';
import { AGENT_NAMESPACE, canonicalJson, digestOf, keyOf, parseJson, parseKey, refOf } from '@drover/contract';
import type { Entry, LiveObject, Snapshot, StateRecord, VerifiedBundle } from '@drover/agent/sim';
import { decodeShard, decodeState, isOwn, PROTECTED_KINDS, SHARD_PREFIX, STATE_NAME } from '@drover/agent/sim';
import type { Request } from './fake-kube.ts';
import type { FakeServer } from './fake-server.ts';
import { leavesOf } from './field-set.ts';

/** A bundle as it was published, with the digest of every object. */
export interface Published {
  readonly bundle: VerifiedBundle;
  readonly objects: ReadonlyMap<ObjectKey, { readonly unit: UnitName; readonly digest: string; readonly object: KubeObject }>;
}

/** Judges every write against the invariants (faults.md, section 1); what it finds is kept in `violations`. */
export interface Checker {
  readonly violations: readonly string[];
  published(bundle: VerifiedBundle, objects: Published['objects']): void;
  /** The inventory was damaged on purpose: until the next whole one I5 is not judged. */
  damaged(): void;
  /** Before a write of this agent takes effect. */
  onWrite(agent: string, request: Request, issued: number): void;
  onWritten(agent: string, request: Request): void;
  onPublish(snapshot: Snapshot): void;
  /** I3: what must hold once all has settled; empty when it does. */
  unsettled(snapshot: Snapshot | undefined): readonly string[];
}

const LEASE = keyOf({ group: 'coordination.k8s.io', kind: 'Lease', namespace: AGENT_NAMESPACE, name: 'drover-agent' });

/** @param told hears of every violation when it happens */
export function createChecker(server: FakeServer, told: (violation: string) => void = () => {}): Checker {
  const violations: string[] = [];
  const bundles = new Map<number, Published>();
  /** Digest of the last apply that took effect. */
  const applied = new Map<ObjectKey, string>();
  /** UIDs that were let go on purpose. */
  const letGo = new Set<string>();
  const holders = new Map<string, string>();
  let inventory = new Map<ObjectKey, Entry>();
  let record: StateRecord | undefined;
  let exempt = false;
  /** Everything could be decoded when it was last read. */
  let whole = true;
  let leaseSince = 0;
  let leaseHolder: string | undefined;
  let newest: Published | undefined;

  const violate = (what: string): void => {
    violations.push(what);
    told(what);
  };

  function readInventory(): void {
    const entries = new Map<ObjectKey, Entry>();
    whole = true;
    for (const secret of server.list('', 'Secret', AGENT_NAMESPACE)) {
      if (secret.metadata.name.startsWith(SHARD_PREFIX))
        for (const entry of read(() => decodeShard(secret))?.entries ?? []) entries.set(entry.key, entry);
    }
    const state = server.get(keyOf({ group: '', kind: 'Secret', namespace: AGENT_NAMESPACE, name: STATE_NAME }));
    const content = state === undefined ? undefined : read(() => decodeState(state));
    const next = content?.record;
    for (let shard = 0; shard < (content?.shards ?? 0); shard++) {
      if (server.get(keyOf({ group: '', kind: 'Secret', namespace: AGENT_NAMESPACE, name: `${SHARD_PREFIX}${shard}` })) === undefined)
        whole = false;
    }
    for (const intent of content?.intents ?? [])
      if (!entries.has(intent.key)) entries.set(intent.key, { ...intent, uid: null, digest: '', adopted: false });
    checkHead(next);
    for (const [key, entry] of inventory) if (!entries.has(key)) checkDropped(key, entry);
    inventory = entries;
    record = next ?? record;
    if (exempt && whole && next !== undefined && uncovered().length === 0) exempt = false;
  }

  function read<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch {
      whole = false;
      if (!exempt) violate('I5 the inventory cannot be read');
      return undefined;
    }
  }

  function uncovered(): readonly ObjectKey[] {
    return server
      .all()
      .filter((live) => isOwned(live) && !letGo.has(live.metadata.uid))
      .map((live) => keyOf(refOf(live)))
      .filter((key) => !inventory.has(key));
  }

  function checkHead(next: StateRecord | undefined): void {
    if (next === undefined || record === undefined) return;
    const order = next.head.epoch - record.head.epoch || next.head.generation - record.head.generation;
    if (order < 0) violate(`I4 generation fell from ${record.head.generation} to ${next.head.generation}`);
    if (order === 0 && next.head.content !== record.head.content) violate(`I4 two contents for generation ${next.head.generation}`);
  }

  /** An entry went: its object is gone, or was let go for a stated reason. */
  function checkDropped(key: ObjectKey, entry: Entry): void {
    const live = server.get(key);
    if (live === undefined || !isOwned(live)) return;
    const leaving = record?.left.find((unit) => unit.name === entry.unit);
    const disabled = live.metadata.annotations?.['drover.dev/prune'] === 'disabled' || entry.keep !== undefined;
    if (leaving?.objects === 'Orphan' || (leaving !== undefined && disabled)) letGo.add(live.metadata.uid);
    else if (entry.uid !== null && live.metadata.uid !== entry.uid) return;
    else if (!exempt) violate(`I5 ${key} left the inventory while it is there and ours (unit ${entry.unit})`);
  }

  function checkCovered(): void {
    if (!exempt) for (const key of uncovered()) violate(`I5 ${key} is ours and not in the inventory`);
  }

  function checkDelete(request: Request): void {
    const { namespace, group, kind } = parseKey(request.key);
    if (namespace === AGENT_NAMESPACE) return;
    const live = server.get(request.key);
    const entry = inventory.get(request.key);
    const say = (what: string): void => violate(`I1 DELETE ${request.key}: ${what}`);
    if (request.uid === undefined || request.resourceVersion === undefined) say('without preconditions');
    if (entry?.uid !== request.uid) say(`UID ${request.uid} is not in the inventory (${entry?.uid ?? 'no entry'})`);
    if (
      live !== undefined &&
      live.metadata.uid === request.uid &&
      live.metadata.resourceVersion === request.resourceVersion &&
      live.metadata.managedFields?.some(isOwn) !== true
    ) {
      say('the live object is not ours');
    }
    if (PROTECTED_KINDS.has(`${group}/${kind}`)) say('its kind is protected');
    const published = record === undefined ? undefined : bundles.get(record.head.generation);
    if (published === undefined || entry === undefined) return say('no bundle on record');
    if (published.objects.has(request.key)) say(`generation ${record?.head.generation} wants it`);
    const unit = published.bundle.manifest.units.find((one) => one.name === entry.unit);
    const leaving = published.bundle.manifest.left.find((one) => one.name === entry.unit);
    if (unit === undefined) {
      if (leaving?.objects !== 'Delete') say(`unit ${entry.unit} is not stated to leave with Delete`);
      return;
    }
    if (!unit.prune || unit.suspended || unit.mode === 'Observe') say(`unit ${entry.unit} does not prune`);
    for (const [key, wanted] of published.objects) {
      if (wanted.unit === entry.unit && applied.get(key) !== wanted.digest) say(`unit ${entry.unit} is not applied in full: ${key}`);
    }
  }

  function noteLease(): void {
    const lease = server.get(LEASE)?.['spec'] as { holderIdentity?: string } | undefined;
    if (lease?.holderIdentity === leaseHolder) return;
    leaseHolder = lease?.holderIdentity;
    leaseSince = server.revision;
  }

  function onWrite(agent: string, request: Request, issued: number): void {
    if (request.key === LEASE || request.key === `/Namespace//${AGENT_NAMESPACE}`) return;
    const own = holders.get(agent);
    if (own !== leaseHolder && issued >= leaseSince) violate(`I9 ${agent} writes ${request.key} while ${leaseHolder} holds the Lease`);
    if (request.verb === 'delete') checkDelete(request);
    if (request.verb !== 'apply') return;
    if (parseKey(request.key).namespace === AGENT_NAMESPACE) violate(`I1 ${request.key} was applied into the agent's own namespace`);
    if (!exempt && !inventory.has(request.key)) violate(`I5 ${request.key} is applied without an intent`);
    const published = record === undefined ? undefined : bundles.get(record.head.generation);
    if (
      published?.bundle.manifest.units.some((unit) => unit.name === unitOf(request) && (unit.suspended || unit.mode === 'Observe')) === true
    ) {
      violate(`B ${request.key} is applied though its unit is suspended or observed`);
    }
  }

  function onWritten(agent: string, request: Request): void {
    if (request.key === LEASE) {
      const lease = server.get(LEASE)?.['spec'] as { holderIdentity?: string } | undefined;
      const body = JSON.parse(request.body ?? '{}') as { spec?: { holderIdentity?: string } };
      const holder = body.spec?.holderIdentity;
      if (holder !== undefined && holder !== '' && lease?.holderIdentity === holder) holders.set(agent, holder);
      noteLease();
      return;
    }
    if (request.verb === 'apply') {
      const live = server.get(request.key);
      if (live !== undefined && live.metadata.managedFields?.some(isOwn) === true) {
        const digest = digestOfBody(request.body ?? '{}');
        if (contentHolds(live, request.body ?? '{}')) applied.set(request.key, digest);
      }
    }
    if (parseKey(request.key).kind === 'Secret' && parseKey(request.key).namespace === AGENT_NAMESPACE) readInventory();
    checkCovered();
  }

  function onPublish(snapshot: Snapshot): void {
    const published = snapshot.head === undefined ? undefined : bundles.get(snapshot.head.generation);
    if (published === undefined) return;
    for (const report of snapshot.units) {
      if (report.state !== 'Ready' || report.mode === 'Observe') continue;
      for (const [key, wanted] of published.objects) {
        if (wanted.unit === report.unit && applied.get(key) !== wanted.digest)
          violate(`I8 ${report.unit} is Ready, and ${key} was not applied at its digest`);
      }
    }
  }

  function unsettled(snapshot: Snapshot | undefined): readonly string[] {
    const found: string[] = [];
    if (newest === undefined) return ['nothing was published'];
    const { head, manifest } = newest.bundle;
    if (snapshot?.head?.generation !== head.generation)
      found.push(`I3 generation ${head.generation} is not on record but ${snapshot?.head?.generation}`);
    for (const [key, wanted] of newest.objects) {
      const live = server.get(key);
      if (live === undefined) found.push(`I3 ${key} is missing`);
      else if (!isOwned(live)) found.push(`I3 ${key} is not ours`);
      else if (!contentHolds(live, canonicalJson(wanted.object))) found.push(`I3 ${key} is not as it is wanted`);
    }
    const accounted = new Set([...manifest.units, ...manifest.left].map((unit) => unit.name));
    for (const live of server.all()) {
      const key = keyOf(refOf(live));
      if (!isOwned(live) || newest.objects.has(key) || letGo.has(live.metadata.uid)) continue;
      const entry = inventory.get(key);
      const { group, kind } = parseKey(key);
      const stays =
        PROTECTED_KINDS.has(`${group}/${kind}`) ||
        entry?.keep !== undefined ||
        live.metadata.annotations?.['drover.dev/prune'] === 'disabled';
      if (!stays && entry !== undefined && accounted.has(entry.unit)) found.push(`I3 ${key} of ${entry.unit} should be gone`);
    }
    for (const report of snapshot?.units ?? [])
      if (report.state !== 'Ready') found.push(`I3 ${report.unit} is ${report.state}: ${report.message}`);
    if ((snapshot?.units.length ?? 0) !== manifest.units.length)
      found.push(`I3 ${snapshot?.units.length} units are reported, not ${manifest.units.length}`);
    return found;
  }

  return {
    violations,
    published(bundle, objects) {
      newest = { bundle, objects };
      bundles.set(bundle.head.generation, newest);
    },
    damaged() {
      exempt = true;
    },
    onWrite,
    onWritten,
    onPublish,
    unsettled,
  };
}

function isOwned(live: LiveObject): boolean {
  return live.metadata.managedFields?.some(isOwn) === true && live.metadata.annotations?.['drover.dev/unit'] !== undefined;
}

function unitOf(request: Request): string | undefined {
  return (JSON.parse(request.body ?? '{}') as KubeObject).metadata.annotations?.['drover.dev/unit'];
}

function digestOfBody(body: string): string {
  const { metadata, ...rest } = parseJson(body) as unknown as KubeObject;
  const { resourceVersion: _version, ...kept } = metadata;
  return digestOf(canonicalJson({ ...rest, metadata: kept }));
}

function contentHolds(live: LiveObject, body: string): boolean {
  const leaves = leavesOf(live);
  return [...leavesOf(parseJson(body) as object)].every(([path, text]) => leaves.get(path) === text || path.endsWith('resourceVersion'));
}
