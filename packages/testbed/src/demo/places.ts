import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the demo of this checkout keeps everything; `DROVER_DEMO_DIR` names another place. */
export const DEMO = join(process.env['DROVER_DEMO_DIR'] ?? fileURLToPath(new URL('../../../../.drover', import.meta.url)), 'demo');

export const demoPath = (...parts: readonly string[]): string => join(DEMO, ...parts);

/** What `demo.json` says; mode 0600. */
export interface DemoFile {
  readonly hub: string;
  readonly token: string | null;
  /** A working clone whose origin is the served repository. */
  readonly repository: string;
  readonly clusters: readonly { readonly name: string; readonly kubeconfig: string }[];
}
