import type { JsonObject } from '@drover/contract';

/** One run of kustomize over a private export. */
export interface KustomizeBuild {
  /** Repository paths, free of links, with what the program shall find there. */
  readonly files: ReadonlyMap<string, Uint8Array | string>;
  /** Links to make, each with the repository path it stands for. */
  readonly links: ReadonlyMap<string, string>;
  /** The directory that is built. */
  readonly directory: string;
  /** A kustomization on top; its paths are relative to {@link TOP_DIRECTORY}. */
  readonly top?: { readonly kustomization: JsonObject; readonly files: ReadonlyMap<string, string> };
}

/** Where the repository's root lies, as seen from the kustomization on top. */
export const TREE_FROM_TOP = '../tree';

export interface KustomizeEngine {
  /** For example `v5.8.1`: part of every cache key. */
  version(signal: AbortSignal): Promise<string>;
  /**
   * What `kustomize build` prints; empty when it builds nothing.
   *
   * @throws DroverError RENDER_KUSTOMIZE with the program's message, the scratch folder left out of its paths;
   *   RENDER_LIMIT for too much output; RENDER_ENGINE_FAILED, which proves nothing about the content
   */
  build(build: KustomizeBuild, signal: AbortSignal): Promise<Buffer>;
}
