import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { AGENT_NAMESPACE, digestOf, DroverError } from '@drover/contract';
import type { LiveObject } from '#kube/types.ts';
import type { Entry, Intent, StateRecord } from './types.ts';
import { STATE_FORMAT } from './types.ts';

/**
 * The inventory as Secrets: `payload` is deflated JSON, `digest` its SHA-256, so that damage is seen before anything is
 * concluded from it.
 */
export const STATE_NAME = 'drover-state';
export const SHARD_PREFIX = 'drover-inventory-';
export const SHARD_FORMAT = 'drover.inventory/1';
const COMPONENT_LABEL = 'drover.dev/component';
/** Most bytes that come out of one Secret: many times what 1 MiB of honest content gives. */
const MAX_PLAIN_BYTES = 64 * 1024 * 1024;

type EntryTuple = readonly [
  key: string,
  apiVersion: string,
  uid: string | null,
  digest: string,
  unit: string,
  fields: string | null,
  adopted: 0 | 1,
  keep?: 'Disabled' | 'Released',
];
type IntentTuple = readonly [key: string, apiVersion: string, unit: string];

export interface ShardContent {
  /** Higher in a later write: tells which copy of an entry is the newer while shards are being split. */
  readonly sequence: number;
  readonly entries: readonly Entry[];
}

export interface StateContent {
  readonly record: StateRecord;
  readonly sequence: number;
  /** How many shards there are: every one of them exists. */
  readonly shards: number;
  readonly intents: readonly Intent[];
  /** Newest pack of the cache. */
  readonly recent: Uint8Array;
}

/** What an earlier write left on the server. */
export interface Held {
  readonly uid: string;
  readonly resourceVersion: string;
}

export function shardName(shard: number): string {
  return `${SHARD_PREFIX}${shard}`;
}

/** JSON of a Secret of the agent; with `held` a replacement of exactly that version. */
export function secretJson(name: string, component: string, data: Readonly<Record<string, Uint8Array>>, held: Held | undefined): string {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, bytes]) => [key, Buffer.from(bytes).toString('base64')]));
  const version = held === undefined ? {} : { uid: held.uid, resourceVersion: held.resourceVersion };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: AGENT_NAMESPACE, labels: { [COMPONENT_LABEL]: component }, ...version },
    type: `drover.dev/${component}`,
    data: encoded,
  });
}

/** The bytes of one key of a Secret; undefined when it has no such key. */
export function secretData(secret: LiveObject, key: string): Uint8Array | undefined {
  const value = (secret['data'] as Readonly<Record<string, unknown>> | undefined)?.[key];
  return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
}

export function encodeShard(content: ShardContent): Record<string, Uint8Array> {
  const entries = content.entries.map((entry): EntryTuple => {
    const tuple = [entry.key, entry.apiVersion, entry.uid, entry.digest, entry.unit, entry.fields ?? null, entry.adopted ? 1 : 0] as const;
    return entry.keep === undefined ? tuple : [...tuple, entry.keep];
  });
  return pack({ format: SHARD_FORMAT, sequence: content.sequence, entries });
}

/** @throws DroverError INVENTORY_DAMAGED */
export function decodeShard(secret: LiveObject): ShardContent {
  const value = unpack(secret, SHARD_FORMAT);
  const entries = (value['entries'] as readonly EntryTuple[]).map(([key, apiVersion, uid, digest, unit, fields, adopted, keep]): Entry => {
    const entry = { key, apiVersion, uid, digest, unit, adopted: adopted === 1 };
    return { ...entry, ...(fields === null ? {} : { fields }), ...(keep === undefined ? {} : { keep }) };
  });
  return { sequence: value['sequence'] as number, entries };
}

export function encodeState(content: StateContent): Record<string, Uint8Array> {
  const { recent, intents, ...rest } = content;
  const tuples = intents.map(({ key, apiVersion, unit }): IntentTuple => [key, apiVersion, unit]);
  return { ...pack({ format: STATE_FORMAT, ...rest, intents: tuples }), recent };
}

/** @throws DroverError INVENTORY_DAMAGED */
export function decodeState(secret: LiveObject): StateContent {
  const value = unpack(secret, STATE_FORMAT);
  const intents = (value['intents'] as readonly IntentTuple[]).map(([key, apiVersion, unit]): Intent => ({ key, apiVersion, unit }));
  const { record, sequence, shards } = value as { record: StateRecord; sequence: number; shards: number };
  return { record, sequence, shards, intents, recent: secretData(secret, 'recent') ?? new Uint8Array(0) };
}

function pack(value: object): Record<string, Uint8Array> {
  const payload = deflateRawSync(JSON.stringify(value));
  return { payload, digest: Buffer.from(digestOf(payload)) };
}

function unpack(secret: LiveObject, format: string): Readonly<Record<string, unknown>> {
  const payload = secretData(secret, 'payload');
  const digest = secretData(secret, 'digest');
  if (payload === undefined || digest === undefined) throw damaged(secret, 'payload or digest is missing');
  if (digestOf(payload) !== Buffer.from(digest).toString()) throw damaged(secret, 'its payload does not have its digest');
  let value: unknown;
  try {
    value = JSON.parse(inflateRawSync(payload, { maxOutputLength: MAX_PLAIN_BYTES }).toString());
  } catch (thrown) {
    throw damaged(secret, 'its payload cannot be read', thrown);
  }
  const record = value as Readonly<Record<string, unknown>>;
  if (record['format'] !== format) {
    throw new DroverError('FORMAT_UNKNOWN', `Secret ${secret.metadata.name}`, `format ${String(record['format'])}: a newer agent wrote it`);
  }
  return record;
}

function damaged(secret: LiveObject, what: string, cause?: unknown): DroverError {
  return new DroverError('INVENTORY_DAMAGED', `Secret ${secret.metadata.name}`, what, { cause });
}
