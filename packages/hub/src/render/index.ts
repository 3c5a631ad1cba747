/** Renders of Deliveries; for the hub, and offline for `drover render`. */
export { createDirectoryTree } from './directory-tree-adapter.ts';
export type { KustomizeEngine } from './kustomize.ts';
export { createKustomize } from './kustomize-adapter.ts';
export type { KustomizeOptions } from './kustomize-adapter.ts';
export { renderOffline } from './offline-adapter.ts';
export type { Offline, OfflineOptions } from './offline-adapter.ts';
export { createMemoryCache } from './memory-cache.ts';
export { defaultDelivery, renderDirectory } from './render-directory.ts';
export type { RenderDirectoryOptions } from './render-directory.ts';
export { createRenderer } from './renderer.ts';
export type * from './types.ts';
