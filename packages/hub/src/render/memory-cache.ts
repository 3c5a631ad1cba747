import type { Read, RenderCache } from './types.ts';

/** A render cache without a store behind it: for one render from a directory. */
export function createMemoryCache(): RenderCache {
  const closures = new Map<string, { readonly reads: readonly Read[]; readonly result: string }[]>();
  const results = new Map<string, Uint8Array>();
  return {
    async closures(lookup) {
      return closures.get(lookup) ?? [];
    },
    async put(lookup, reads, result) {
      closures.set(lookup, [{ reads, result }, ...(closures.get(lookup) ?? [])]);
    },
    async result(key) {
      return results.get(key);
    },
    async putResult(key, bytes) {
      results.set(key, bytes);
    },
  };
}
