import { canonicalJson } from './canonical.ts';
import { sha256Hex } from './digest.ts';
import type { Code } from './errors.ts';
import type { Head } from './head.ts';
import type { UnitName } from './object.ts';
import type { AgentEvent, Facts, LeftReport, UnitReport } from './report.ts';

/** What is said on a report stream, apart from how it is encoded. */

/** Newest protocol of the report stream that this code speaks, and the oldest it still understands. */
export const STREAM_PROTOCOL = 1;
export const OLDEST_STREAM_PROTOCOL = 1;
/** Largest message in either direction, encoded. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** An agent that has nothing to say says so this often. */
export const HEARTBEAT_MS = 30_000;

/** The head that an agent has on record. */
export type Seen = Pick<Head, 'fleet' | 'epoch' | 'generation' | 'content'>;

/** What both sides compare after a reconnect. */
export interface Checksums {
  readonly units: ReadonlyMap<UnitName, string>;
  /** Of the facts; absent where there are none. */
  readonly facts?: string;
}

export interface Hello {
  /** Newest protocol the agent speaks. */
  readonly protocol: number;
  readonly agentVersion: string;
  /** UUID of the process: a stream of the same process replaces its older one. */
  readonly instance: string;
  /** `leaseTransitions` of the agent's Lease: the higher is the successor. */
  readonly leaseTransitions: number;
  /** What the agent takes itself for: compared with its certificate, never believed. */
  readonly uid: string;
  readonly seen?: Seen;
  readonly checksums: Checksums;
}

/** What changed since the last one. */
export interface Report {
  /** From 1, by one each, within one stream. */
  readonly seq: number;
  readonly seen?: Seen;
  readonly facts?: Facts;
  readonly units: readonly UnitReport[];
  readonly left: readonly LeftReport[];
  readonly events: readonly AgentEvent[];
  readonly badBlobs: readonly string[];
}

export type AgentMessage =
  | ({ readonly type: 'hello' } & Hello)
  | ({ readonly type: 'report' } & Report)
  | { readonly type: 'heartbeat'; readonly seen?: Seen };

export type HubMessage =
  | { readonly type: 'welcome'; readonly protocol: number; readonly accepted: boolean }
  /** Everything up to `seq` is committed. */
  | { readonly type: 'ack'; readonly seq: number }
  /** Verify everything, or one unit, now. */
  | { readonly type: 'reconcile'; readonly unit?: UnitName }
  /** The hub holds something else, or nothing. */
  | { readonly type: 'resync'; readonly units: readonly UnitName[]; readonly facts: boolean }
  /** What the agent has to know about its standing. */
  | { readonly type: 'notice'; readonly code: Code; readonly message: string };

/**
 * Checksum by which hub and agent tell whether they hold the same report (or facts): of its canonical JSON, so the hub
 * may compute it from the JSON it stored.
 */
export function reportChecksum(report: UnitReport | Facts): string {
  return sha256Hex(canonicalJson(report)).slice(0, 16);
}
