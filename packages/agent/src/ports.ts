import type { BasePorts } from '@drover/contract';
import type { Kube } from '#kube/types.ts';

/** Key-value cache on disk, or in memory where no volume lasts; losing it costs time, never correctness. */
export interface CacheStore {
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

/** Doors of the agent to the world. */
export interface AgentPorts extends BasePorts {
  readonly kube: Kube;
  readonly cache: CacheStore;
}
