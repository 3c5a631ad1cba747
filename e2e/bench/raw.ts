import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { KubeClient } from '@drover/testbed';

/** A ConfigMap as the scenarios use it. */
export function object(
  name: string,
  namespace: string,
  value: string,
): {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly data: { readonly value: string };
} {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { value } };
}

export const manifest = (name: string, namespace: string, value: string): string => `${JSON.stringify(object(name, namespace, value))}\n`;

/** Milliseconds of one server-side apply each, one after another. */
export async function applyAlone(kube: KubeClient, namespace: string, times: number): Promise<number[]> {
  const taken: number[] = [];
  for (let index = 0; index < times; index++) {
    const started = performance.now();
    await kube.apply(`/api/v1/namespaces/${namespace}/configmaps/raw-alone`, object('raw-alone', namespace, `${index}`), {
      manager: 'raw',
    });
    taken.push(performance.now() - started);
  }
  return taken;
}

/** Objects a second of a plain loop of applies, 16 in flight: the ceiling of this machine. */
export async function applyRate(kube: KubeClient, namespace: string, count: number): Promise<number> {
  let next = 0;
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      await kube.apply(`/api/v1/namespaces/${namespace}/configmaps/raw-${index}`, object(`raw-${index}`, namespace, 'v'), {
        manager: 'raw',
      });
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return (count * 1000) / (performance.now() - started);
}

/** Runs a program to its end; milliseconds. Not synchronously: the Git server it may talk to is in this process. */
export async function timed(command: string, args: readonly string[], cwd?: string): Promise<number> {
  const started = performance.now();
  await promisify(execFile)(command, [...args], { cwd, maxBuffer: 64 << 20 });
  return performance.now() - started;
}
