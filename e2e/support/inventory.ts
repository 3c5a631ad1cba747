import { inflateRawSync } from 'node:zlib';
import type { KubeClient } from '@drover/testbed';

/** The agent's inventory as an outsider reads it: keys of entries and intents, and the head on record. */
export interface SeenInventory {
  readonly keys: ReadonlySet<string>;
  readonly epoch: number;
  readonly generation: number;
}

const SECRETS = '/api/v1/namespaces/drover-system/secrets';

export async function readInventory(kube: KubeClient): Promise<SeenInventory | undefined> {
  const items = await kube.list(SECRETS);
  const keys = new Set<string>();
  let head: { epoch: number; generation: number } | undefined;
  for (const secret of items) {
    const payload = (secret['data'] as Record<string, string> | undefined)?.['payload'];
    if (payload === undefined) continue;
    const { name } = secret.metadata;
    if (name === 'drover-state') {
      const state = open(payload) as { record: { epoch?: number; generation?: number }; intents: readonly (readonly [string])[] };
      for (const [key] of state.intents) keys.add(key);
      head = { epoch: state.record.epoch ?? 0, generation: state.record.generation ?? 0 };
    } else if (name.startsWith('drover-inventory-')) {
      for (const [key] of (open(payload) as { entries: readonly (readonly [string])[] }).entries) keys.add(key);
    }
  }
  return head === undefined ? undefined : { keys, ...head };
}

function open(payload: string): unknown {
  return JSON.parse(inflateRawSync(Buffer.from(payload, 'base64')).toString('utf8'));
}
