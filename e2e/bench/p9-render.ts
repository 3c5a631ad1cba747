import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createHubPorts } from '@drover/hub/ports';
import type { RenderCluster, Renderer } from '@drover/hub/render';
import { createKustomize, createMemoryCache, createRenderer, defaultDelivery } from '@drover/hub/render';
import type { Tree } from '@drover/hub/sources';
import { createMirrors, directoryBytes, startBatch } from '@drover/hub/sources';
import { serverPath, startGitServer, tempDir } from '@drover/testbed';
import type { Scenario } from './figures.ts';
import { judged, median, spread } from './figures.ts';
import { timed } from './raw.ts';

const OBJECTS = 14;
const { signal } = new AbortController();

function base(value: string): Record<string, string> {
  const names = Array.from({ length: OBJECTS }, (_, index) => `o${index}.yaml`);
  const files = Object.fromEntries(
    names.map((name, index) => [
      `base/${name}`,
      index % 3 === 0
        ? `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d${index}, namespace: default }\nspec:\n  selector: { matchLabels: { app: d${index} } }\n  template:\n    metadata: { labels: { app: d${index} } }\n    spec: { containers: [{ name: c, image: 'nginx:${value}' }] }\n`
        : `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c${index}, namespace: default }\ndata: { value: '${value}' }\n`,
    ]),
  );
  return { ...files, 'base/kustomization.yaml': `resources:\n${names.map((name) => `- ${name}\n`).join('')}` };
}

const overlay = (name: string, value: string): Record<string, string> => ({
  [`clusters/${name}/kustomization.yaml`]: `resources: [../../base]\nconfigMapGenerator:\n- name: own\n  namespace: default\n  literals: [cluster=${name}, value=${value}]\n`,
});

/** 1,000 overlays of 15 objects: first, with nothing, one leaf, and the base changed. */
export const scenario: Scenario = async ({ quick, progress }) => {
  const count = quick ? 100 : 1000;
  await using git = await startGitServer({});
  const repository = await git.createRepository('overlays');
  await using clone = await repository.clone();
  const names = Array.from({ length: count }, (_, index) => `c${index}`);
  await clone.publish('first', { ...base('1'), ...Object.assign({}, ...names.map((name) => overlay(name, '1'))) });
  await using data = await tempDir('p9');
  await mkdir(join(data.path, 'mirrors'), { recursive: true });
  const ports = createHubPorts({ dataDirectory: data.path, log: { level: 'silent', format: 'json' } });
  const secrets = { read: async (): Promise<undefined> => undefined };
  const mirrors = createMirrors(
    { ...ports, startBatch, directoryBytes, secrets },
    { mirrorsDirectory: join(data.path, 'mirrors'), searchPath: process.env['PATH'] ?? '', allowLocal: true },
  );
  const source = {
    namespace: 'drover',
    name: 'overlays',
    url: repository.url,
    ref: { type: 'head' },
    intervalMs: 60_000,
    timeoutMs: 60_000,
    insecure: true,
    forcePush: 'Follow',
    suspend: false,
  } as const;
  await using mirror = mirrors.mirror(source);
  const fetched = async (): Promise<Tree> => {
    const { tree, problem } = await mirror.fetch(source, signal);
    if (tree === undefined) throw new Error(problem?.message);
    return tree;
  };
  const renderer = createRenderer({ engine: createKustomize(ports, { program: serverPath('kustomize') }), cache: createMemoryCache() });

  progress(`sequential kustomize build of ${count} overlays`);
  const loop = await timedLoop(clone.path, names);
  progress('first render');
  const first = await renderAll(renderer, await fetched(), names);
  const nothing: number[] = [];
  const leaf: number[] = [];
  const one: number[] = [];
  for (let index = 0; index < (quick ? 3 : 5); index++) {
    progress(`nothing and a leaf changed, ${index + 1}`);
    await clone.publish('nothing', { 'README.md': `${index}` });
    nothing.push(await renderAll(renderer, await fetched(), names));
    await clone.publish('leaf', overlay('c7', `leaf-${index}`));
    const tree = await fetched();
    one.push(await timed(serverPath('kustomize'), ['build', join(clone.path, 'clusters/c7')]));
    leaf.push(await renderAll(renderer, tree, ['c7']));
  }
  progress('base changed');
  await clone.publish('base', base('2'));
  const changed = await renderAll(renderer, await fetched(), names);
  const leafRatio = median(leaf) / median(one);
  const nothingPer = (median(nothing) * 1000) / count;
  return {
    id: 'P9',
    title: `render ${count} overlays × ${OBJECTS + 1} objects`,
    figures: [
      spread('sequential kustomize build', 'ms', [loop]),
      spread('first time', 'ms', [first]),
      judged('first time against the loop', '× faster', loop / first, '-', true),
      spread('nothing changed, all asked', 'ms', nothing),
      judged('nothing changed, for 1,000', 'ms', nothingPer, '≤ 50', nothingPer <= 50),
      spread('one leaf changed', 'ms', leaf),
      judged('one leaf against one build', '×', leafRatio, '≤ 1.3', leafRatio <= 1.3),
      spread('base changed', 'ms', [changed]),
      judged('base changed against the loop', '× faster', loop / changed, '≥ 1.5', loop / changed >= 1.5),
    ],
    notes: ['the hub asks only for units that read a changed path; here all are asked, each with a new commit'],
  };
};

async function timedLoop(root: string, names: readonly string[]): Promise<number> {
  const started = performance.now();
  for (const name of names) await timed(serverPath('kustomize'), ['build', join(root, 'clusters', name)]);
  return performance.now() - started;
}

async function renderAll(renderer: Renderer, tree: Tree, names: readonly string[]): Promise<number> {
  const delivery = { ...defaultDelivery(), path: 'clusters/${cluster.name}' };
  const started = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < names.length; index = next++) {
      const cluster: RenderCluster = { name: names[index] ?? '', labels: {}, vars: {}, apiResources: undefined };
      const result = await renderer.render(tree, delivery, cluster, signal);
      if (result.type !== 'rendered' || result.objects.length !== OBJECTS + 1)
        throw new Error(`${cluster.name}: ${JSON.stringify(result).slice(0, 400)}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return performance.now() - started;
}
