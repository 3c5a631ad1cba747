/** What one input may cost; beyond any of these it is refused with the name of the cap, never cut short. */
export interface YamlLimits {
  readonly maxBytes: number;
  /** One document; an object of 1.5 MiB is the most that etcd stores. */
  readonly maxDocumentBytes: number;
  readonly maxDocuments: number;
  /** Collections inside collections. */
  readonly maxDepth: number;
  /** `*name` in one document. */
  readonly maxAliases: number;
  /** Nodes that the aliases of one document stand for. */
  readonly maxAliasedNodes: number;
  /** Keys copied by `<<` in one document. */
  readonly maxMergedKeys: number;
}

export const DEFAULT_LIMITS: YamlLimits = {
  maxBytes: 32 * 1024 * 1024,
  maxDocumentBytes: 4 * 1024 * 1024,
  maxDocuments: 50_000,
  maxDepth: 200,
  maxAliases: 10_000,
  maxAliasedNodes: 500_000,
  maxMergedKeys: 50_000,
};
