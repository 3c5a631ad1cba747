import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '@drover/contract';
import { canonicalJson, derive, keyedDigest, sha256Hex } from '@drover/contract';
import type { Store } from './store.ts';

/** Shapes of `render/types.ts`, which this folder does not import. */
interface CachedRead {
  readonly path: string;
  readonly oid: string | null;
}

export interface SqlRenderCache {
  closures(lookup: string): Promise<readonly { readonly reads: readonly CachedRead[]; readonly result: string }[]>;
  put(lookup: string, reads: readonly CachedRead[], result: string): Promise<void>;
  result(key: string): Promise<Uint8Array | undefined>;
  putResult(key: string, bytes: Uint8Array): Promise<void>;
}

/** Closures kept for one lookup key: enough for a branch that goes back and forth. */
const MAX_CLOSURES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * What was rendered, kept over restarts. Results are encrypted under the fleet's secret, as they may hold Secrets that
 * the database must not show.
 */
export function createRenderCache(deps: {
  readonly store: Store;
  readonly fleetSecret: Uint8Array;
  readonly random: Random;
  readonly now: () => number;
}): SqlRenderCache {
  const { store } = deps;
  const key = derive(deps.fleetSecret, 'drover/render-cache/v1', 32);
  // A result is named by the digest of what it was made from, which may be a Secret: the database must be no oracle.
  const rowKey = (name: string): string => (name.startsWith('hmac:') ? name : keyedDigest(deps.fleetSecret, name));
  return {
    async closures(lookup) {
      const rows = await store.db
        .selectFrom('render_closure')
        .select(['reads', 'result'])
        .where('lookup', '=', lookup)
        .orderBy('used_at', 'desc')
        .execute();
      return rows.map((row) => ({ reads: JSON.parse(row.reads) as CachedRead[], result: row.result }));
    },
    async put(lookup, reads, name) {
      const result = rowKey(name);
      const text = canonicalJson(reads);
      const row = { lookup, closure: sha256Hex(text), reads: text, result, used_at: deps.now() };
      await store.write(async (tx) => {
        await tx
          .insertInto('render_closure')
          .values(row)
          .onConflict((conflict) => conflict.columns(['lookup', 'closure']).doUpdateSet({ result, used_at: row.used_at }))
          .execute();
        const old = await tx
          .selectFrom('render_closure')
          .select('closure')
          .where('lookup', '=', lookup)
          .orderBy('used_at', 'desc')
          .offset(MAX_CLOSURES)
          .limit(100)
          .execute();
        if (old.length === 0) return;
        await tx
          .deleteFrom('render_closure')
          .where('lookup', '=', lookup)
          .where(
            'closure',
            'in',
            old.map((entry) => entry.closure),
          )
          .execute();
      });
    },
    async result(name) {
      const row = await store.db.selectFrom('render_result').select('bytes').where('key', '=', rowKey(name)).executeTakeFirst();
      if (row === undefined) return undefined;
      const bytes = Buffer.from(row.bytes);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
        decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)), decipher.final()]);
      } catch {
        // Of another fleet's secret, or damaged: it is rendered again.
        return undefined;
      }
    },
    async putResult(name, bytes) {
      const nonce = deps.random.bytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const sealed = Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
      await store.write(async (tx) => {
        await tx
          .insertInto('render_result')
          .values({ key: rowKey(name), bytes: sealed })
          .onConflict((conflict) => conflict.column('key').doUpdateSet({ bytes: sealed }))
          .execute();
      });
    },
  };
}

/** Drops results that no closure names. */
export async function sweepRenderCache(store: Store): Promise<void> {
  await store.write(async (tx) => {
    await tx
      .deleteFrom('render_result')
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom('render_closure').select('lookup').whereRef('render_closure.result', '=', 'render_result.key'))),
      )
      .execute();
  });
}
