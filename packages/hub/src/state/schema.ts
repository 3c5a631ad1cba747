import type { Generated } from 'kysely';

/**
 * The hub's record. Times are epoch ms, flags 0/1, JSON is text, digests are text. SQL is the truth, JetStream a cache:
 * state is written before its effect, and this database (with `keys/`) is what a backup has to hold.
 */
export interface MetaTable {
  key: 'fleet' | 'epoch' | 'behind' | 'config' | 'last-good' | 'nats-revocations';
  value: string;
}

export interface EventTable {
  id: Generated<number>;
  time: number;
  severity: string;
  reason: string;
  unit: string | null;
  cluster: string | null;
  object: string | null;
  message: string;
  actor: string | null;
}

export interface SourceTable {
  kind: string;
  namespace: string;
  name: string;
  /** JSON of the GitRepository; without secrets. */
  spec: string;
  /** Last good commit; null before the first. */
  sha: string | null;
  revision: string | null;
  /** JSON of the Commit. */
  commit: string | null;
  last_fetch: number | null;
  last_webhook: number | null;
  /** JSON of the Problem of the last fetch; null when it went well. */
  problem: string | null;
  problem_since: number | null;
}

export interface DeliveryTable {
  namespace: string;
  name: string;
  /** JSON of the Delivery, the last good form. */
  spec: string;
  config_hash: string;
  /** JSON of the Problem with its configuration now; null when it is good. */
  problem: string | null;
  /** When the configuration ceased to name it. */
  removed_at: number | null;
  /** Newest release number; 0 before the first. */
  release: number;
  /** Newest revision at which all its units were rendered; null before the first. */
  revision: string | null;
}

export interface ClusterTable {
  /** UID of kube-system: the identity. */
  uid: string;
  name: string;
  namespace: string;
  accepted: number;
  /** JSON: labels of the token; those of the configuration come on top. */
  labels: string;
  mode: string;
  /** Raw X25519 public key, base64. */
  sealing_key: string;
  /** SHA-256 of the agent's identity key (SPKI), hex: renewals are signed by it. */
  identity_key: string;
  /** Public nkey of the agent's NATS user. */
  nats_user: string | null;
  /** JSON of Facts; null before the first report. */
  facts: string | null;
  agent_version: string | null;
  joined_at: number;
  last_seen: number | null;
  /** 1 while a report stream is open. */
  online: number;
  /** Highest (fleet, epoch, generation) the agent said it had applied. */
  seen_fleet: string | null;
  seen_epoch: number;
  seen_generation: number;
  applied_content: string | null;
}

export interface TokenTable {
  id: string;
  kind: 'join' | 'api';
  /** SHA-256 of the secret, hex. */
  hash: string;
  name: string | null;
  cluster: string | null;
  /** JSON. */
  labels: string;
  enforce: number;
  role: string | null;
  max_uses: number;
  uses: number;
  expires_at: number | null;
  created_at: number;
  revoked_at: number | null;
}

/** Immutable once written. */
export interface ReleaseTable {
  namespace: string;
  delivery: string;
  number: number;
  revision: string;
  commit: string;
  config_hash: string;
  created_at: number;
  /** Objects that it deletes over all clusters, against what was published when it was made. */
  deletes: number;
}

/** What a release says of one cluster: a unit digest, or why it did not render. */
export interface ReleaseUnitTable {
  namespace: string;
  delivery: string;
  number: number;
  cluster: string;
  digest: string | null;
  problem: string | null;
}

export interface RolloutTable {
  namespace: string;
  delivery: string;
  number: number;
  /** Progressing | Succeeded | Failed | Superseded */
  state: string;
  started_at: number;
  ended_at: number | null;
}

export interface RolloutStageTable {
  namespace: string;
  delivery: string;
  stage: string;
  position: number;
  /** Release in progress in this stage. */
  current: number | null;
  /** Newest release that may enter next. */
  candidate: number | null;
  state: string;
  since: number;
}

export interface RolloutClusterTable {
  namespace: string;
  delivery: string;
  number: number;
  stage: string;
  cluster: string;
  /** Pending | Released | Succeeded | Failed | Skipped */
  state: string;
  since: number;
}

/** One Delivery on one cluster. */
export interface UnitTable {
  namespace: string;
  delivery: string;
  cluster: string;
  /** Digest of the newest render; null before the first that went well. */
  rendered: string | null;
  rendered_revision: string | null;
  /** JSON of the Problem of the newest render; null when it went well. */
  problem: string | null;
  /** Digest that its rollout stage released, with release number and revision. */
  wanted: string | null;
  wanted_release: number | null;
  wanted_revision: string | null;
  /** Digest in the cluster's current head; null when the unit is not in it, or has left. */
  published: string | null;
  published_release: number | null;
  published_revision: string | null;
  /** Head in which the unit last came, changed or left: what an agent said of an earlier one says nothing of it. 0 before. */
  changed_epoch: number;
  changed_generation: number;
  /** JSON of BlockedOn[]: why `wanted` is not published. */
  held: string;
  /** Delivered | Kept (waits for approval to leave) | Delete | Orphan (in `left[]` until the agent has reported it done) */
  presence: string;
  /** Why it is Kept or leaves; null while delivered. */
  note: string | null;
  /** JSON of the last UnitReport. */
  report: string | null;
  reported_at: number | null;
  applied: string | null;
  applied_release: number | null;
  applied_revision: string | null;
  /** As stored with the last write; silence turns it to Unknown when read. */
  state: string;
  since: number;
  message: string;
  drift: number;
}

export interface UnitContentTable {
  digest: string;
  unit: string;
  /** JSON of the unit manifest's BlobRef[]. */
  manifest: string;
  /** JSON: [key, apiVersion, digest][] in apply order. */
  objects: string;
  /** JSON: names of the packs that hold the objects. */
  blobs: string;
}

/** Where the bytes of an object lie. */
export interface ObjectContentTable {
  digest: string;
  /** JSON of Place: blobs, parts, key and size. */
  place: string;
}

export interface BlobTable {
  name: string;
  size: number;
  created_at: number;
  /** Since when nothing that is kept names it; null while something does. */
  unreferenced_since: number | null;
}

export interface HeadTable {
  cluster: string;
  /** Public key that the manifest is sealed to. */
  sealing_key: string;
  epoch: number;
  generation: number;
  content: string;
  /** Canonical JSON of the bundle manifest. */
  manifest: string;
  /** The envelope as published. */
  envelope: Uint8Array;
  /** Sealed bytes when they travel as a blob; null when inside the envelope. */
  sealed: Uint8Array | null;
  created_at: number;
  /** 1 once NATS has stored these bytes. */
  published: number;
}

/** Suspension by API, apart from the file's. */
export interface SuspensionTable {
  /** `delivery/<ns>/<name>`, `unit/<ns>/<name>/<cluster>`, `cluster/<name>`, `source/<kind>/<ns>/<name>` */
  target: string;
  by: string;
  message: string;
  since: number;
  /** When it ends by itself; null when it does not. */
  until: number | null;
}

export interface RenderClosureTable {
  lookup: string;
  /** Hash of `reads`. */
  closure: string;
  reads: string;
  result: string;
  used_at: number;
}

export interface RenderResultTable {
  key: string;
  /** Encrypted under the fleet's secret: manifests may hold Secrets. */
  bytes: Uint8Array;
}

export interface Database {
  meta: MetaTable;
  event: EventTable;
  source: SourceTable;
  delivery: DeliveryTable;
  cluster: ClusterTable;
  token: TokenTable;
  release: ReleaseTable;
  release_unit: ReleaseUnitTable;
  rollout: RolloutTable;
  rollout_stage: RolloutStageTable;
  rollout_cluster: RolloutClusterTable;
  unit: UnitTable;
  unit_content: UnitContentTable;
  object_content: ObjectContentTable;
  blob: BlobTable;
  head: HeadTable;
  suspension: SuspensionTable;
  render_closure: RenderClosureTable;
  render_result: RenderResultTable;
}
