import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type ServerName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubectl'
  | 'kustomize'
  | 'kwok'
  | 'nats-server'
  /** The folder of kwok's Stage documents. */
  | 'stages';

/**
 * Where a program of the testbed is: in DROVER_SERVERS, which `tools/run.mjs` sets, in KUBEBUILDER_ASSETS, or on PATH.
 *
 * @throws Error that says how to get it
 */
export function serverPath(name: ServerName): string {
  const given = [process.env['DROVER_SERVERS'], process.env['KUBEBUILDER_ASSETS']];
  const directories = [...given, ...(process.env['PATH'] ?? '').split(delimiter)];
  for (const directory of directories) {
    if (directory === undefined || directory === '') continue;
    const path = join(directory, name);
    if (existsSync(path)) return path;
  }
  throw new Error(`${name} is not in DROVER_SERVERS: start the tests by npm run test:unit or npm run test:e2e, which build it`);
}
