export { startBatch } from './cat-file-adapter.ts';
export { directoryBytes } from './disk-adapter.ts';
export { createMirrors } from './mirror.ts';
export type { Mirrors } from './mirror.ts';
export type * from './types.ts';
