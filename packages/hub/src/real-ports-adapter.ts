import { createFiles } from './files-adapter.ts';
import type { PortsOptions } from '@drover/runtime';
import { createPorts } from '@drover/runtime';
import type { HubPorts } from './ports.ts';
import { createRun } from './run-adapter.ts';

/** All doors of the hub to the real world: for its program, and for what measures its parts alone. */
export function createHubPorts(options: PortsOptions & { readonly dataDirectory: string }): HubPorts {
  return { ...createPorts(options), run: createRun(), files: createFiles({ dataDirectory: options.dataDirectory }) };
}
