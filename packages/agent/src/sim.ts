/** What the simulator runs: the agent alone over ports of its own, and how to read what it leaves in the cluster. */
export { CRASH_POINTS } from './crash-points.ts';
export type { CrashPoint } from './crash-points.ts';
export { createAgent } from './reconcile.ts';
export type { Agent, AgentDeps } from './reconcile.ts';
export { createObserver } from './observe/observer.ts';
export { PROTECTED_KINDS } from './prune/plan.ts';
export { isOwn } from './apply/owner.ts';
export { decodeShard, decodeState, SHARD_PREFIX, STATE_NAME } from './inventory/codec.ts';
export { loadInventory } from './inventory/inventory.ts';
export { createSecretStore } from './inventory/secrets.ts';
export type { Entry, StateRecord } from './inventory/types.ts';
export { createScriptedSource, markedObject, scriptBundle } from './reconcile/scripted-source.ts';
export type { ScriptedSource, ScriptedUnit } from './reconcile/scripted-source.ts';
export type { VerifiedBundle } from './pull/types.ts';
export type { CacheStore } from './ports.ts';
export type { Snapshot } from './report/types.ts';
export type {
  ApplyOptions,
  DeleteOptions,
  KindInfo,
  KindLookup,
  Kube,
  ListOptions,
  LiveObject,
  ManagedField,
  WatchEvent,
} from './kube/types.ts';
