import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the demo of this checkout keeps everything. */
export const DEMO = fileURLToPath(new URL('../../../../.drover/demo', import.meta.url));

export const demoPath = (...parts: readonly string[]): string => join(DEMO, ...parts);

/** What `demo.json` says; mode 0600. */
export interface DemoFile {
  readonly hub: string;
  readonly token: string | null;
  /** A working clone whose origin is the served repository. */
  readonly repository: string;
  readonly clusters: readonly { readonly name: string; readonly kubeconfig: string }[];
}
