import type { Position } from '@drover/contract';
import { canonicalJson, DroverError, FAILURES, groupOf, sha256Hex, unitName } from '@drover/contract';

import { resolveClusterValues } from '#config/cluster-values.ts';
import type { Delivery } from '#config/types.ts';
import type { Tree } from '#sources/types.ts';
import type { BuildOutput, Builder } from './builder.ts';
import { createBuilder } from './builder.ts';
import type { BuiltObject } from './built.ts';
import { flattenLists, objectError, showPosition } from './built.ts';
import type { ClosureScanner } from './closure.ts';
import { createClosureScanner } from './closure.ts';
import type { KustomizeEngine } from './kustomize.ts';
import { finishObjects } from './objects.ts';
import { createOutcomeCache } from './outcome-cache.ts';
import { isObject } from './json.ts';
import { joinPath } from './paths.ts';
import type { PlainReader } from './plain.ts';
import { createPlainReader } from './plain.ts';
import type { ReadLog } from './reads.ts';
import { createReadLog, pathsOnly } from './reads.ts';
import type { Outcome } from './result-codec.ts';
import { createScopes } from './scope.ts';
import { substituteObject } from './substitute.ts';
import type { TopFields } from './top.ts';
import { needsTop } from './top.ts';
import type { TreeView } from './tree-view.ts';
import { createTreeViews } from './tree-view.ts';
import type { RenderCache, RenderCluster, Renderer, RenderResult } from './types.ts';
import { createVariables } from './variables.ts';

/**
 * The render of one Delivery for one cluster.
 *
 * - **closure**: every file a kustomization may read, found before kustomize starts.
 * - **build**: what an engine makes of a directory; **built** objects are not judged yet.
 * - **reads**: paths with the git objects they had, and values of the cluster: what the outcome depends on.
 * - **outcome**: the rendered objects, or the failure.
 */
export interface RendererDeps {
  readonly engine: KustomizeEngine;
  readonly cache: RenderCache;
}

/** Raised whenever the same input gives another output than before. */
const RENDER_VERSION = 1;

interface Parts {
  readonly scanner: ClosureScanner;
  readonly builder: Builder;
  readonly plain: PlainReader;
}

interface Job {
  readonly view: TreeView;
  readonly delivery: Delivery;
  readonly cluster: RenderCluster;
  readonly path: string;
  readonly reads: ReadLog;
}

export function createRenderer({ engine, cache }: RendererDeps): Renderer {
  const parts: Parts = { scanner: createClosureScanner(), builder: createBuilder(engine), plain: createPlainReader() };
  const outcomes = createOutcomeCache(cache);
  const viewOf = createTreeViews();
  const fields = new WeakMap<Delivery, string>();

  async function render(tree: Tree, delivery: Delivery, cluster: RenderCluster, signal: AbortSignal): Promise<RenderResult> {
    let path: string;
    try {
      path = pathOf(delivery, cluster);
    } catch (thrown) {
      return { type: 'failed', problem: terminal(thrown).toProblem(), reads: [] };
    }
    const lookup = await lookupOf(tree, delivery, cluster, path, signal);
    const view = viewOf(tree);
    const hit = await outcomes.find(lookup, view, cluster, signal);
    if (hit !== undefined) return { ...hit.outcome, reads: pathsOnly(hit.reads) };
    const reads = createReadLog();
    const outcome = await attempt(parts, { view, delivery, cluster, path, reads }, signal);
    if (outcome.type === 'absent') return { ...outcome, reads: reads.paths() };
    await outcomes.put(lookup, reads.list(), outcome);
    return { ...outcome, reads: reads.paths() };
  }

  /** All that the outcome depends on and that no read stands for. */
  async function lookupOf(tree: Tree, delivery: Delivery, cluster: RenderCluster, path: string, signal: AbortSignal): Promise<string> {
    let own = fields.get(delivery);
    if (own === undefined)
      fields.set(delivery, (own = sha256Hex(canonicalJson([RENDER_VERSION, await engine.version(signal), renderFields(delivery)]))));
    // without variables, clusters with one path share what they render
    return sha256Hex(`${own}\0${path}\0${tree.rules ?? ''}\0${delivery.postBuild === undefined ? '' : cluster.name}`);
  }

  return { render };
}

function renderFields(delivery: Delivery): unknown {
  const {
    namespace,
    name,
    sourceRef,
    postBuild,
    patches,
    images,
    components,
    namePrefix,
    nameSuffix,
    targetNamespace,
    commonMetadata,
    allowEmpty,
  } = delivery;
  return {
    namespace,
    name,
    sourceRef,
    postBuild,
    patches,
    images,
    components,
    namePrefix,
    nameSuffix,
    targetNamespace,
    commonMetadata,
    allowEmpty,
  };
}

/** @throws DroverError CLUSTER_VALUE_MISSING, CLUSTER_VALUE_REFUSED, RENDER_PATH_REFUSED */
function pathOf(delivery: Delivery, cluster: RenderCluster): string {
  const resolved = resolveClusterValues(delivery.path.replace(/^(?:\.?\/)+/, ''), cluster);
  const path = joinPath('', resolved);
  if (path !== undefined) return path;
  throw new DroverError('RENDER_PATH_REFUSED', 'spec.path', `${resolved} leads out of the repository`, at(delivery.position));
}

async function attempt(parts: Parts, job: Job, signal: AbortSignal): Promise<Outcome | { readonly type: 'absent'; readonly path: string }> {
  try {
    const output = await build(parts, job, signal);
    if (output === undefined) return { type: 'absent', path: job.path };
    return finish(job, output);
  } catch (thrown) {
    signal.throwIfAborted();
    return { type: 'failed', problem: terminal(thrown).toProblem() };
  }
}

/** What is wrong with the content; anything else is thrown on, as it proves nothing. */
function terminal(thrown: unknown): DroverError {
  if (thrown instanceof DroverError && thrown.kind === 'terminal') return thrown;
  throw thrown;
}

/** Undefined when the path is not in the tree. */
async function build({ scanner, builder, plain }: Parts, job: Job, signal: AbortSignal): Promise<BuildOutput | undefined> {
  const { view, delivery, path, reads } = job;
  const directory = await view.resolve(path, reads, new Map(), signal);
  if (directory === undefined) return undefined;
  if (directory.entry.type !== 'directory')
    throw new DroverError('RENDER_NOTHING_FOUND', path, 'is a file; a path is a directory', at({ file: path }));
  const { components } = delivery;
  const closure = await scanner.scan(view, { directory: path, roots: [path], components }, reads, signal);
  if (closure !== undefined) return await builder.build(view, closure, delivery, signal);
  return await buildPlain({ scanner, builder, plain }, job, directory.path, signal);
}

/** Manifests as they are, with kustomizations below them built. */
async function buildPlain({ scanner, builder, plain }: Parts, job: Job, directory: string, signal: AbortSignal): Promise<BuildOutput> {
  const { view, delivery, path, reads } = job;
  const { files, kustomizations: roots } = await plain.find(view, directory, reads, signal);
  if (files.length + roots.length === 0) {
    if (delivery.allowEmpty) return { built: [], warnings: [] };
    const what = `nothing found at ${path || 'the root'}: no kustomization file, and no *.yaml, *.yml or *.json below it`;
    throw new DroverError('RENDER_NOTHING_FOUND', path || '.', what, at({ file: path }));
  }
  const built = (await Promise.all(files.map((file) => plain.read(view, file, signal)))).flat();
  if (needsTop(delivery)) {
    const closure = await scanner.scan(view, { directory, roots, components: delivery.components }, reads, signal);
    if (closure === undefined) throw new DroverError('UNEXPECTED', directory, 'a kustomization file vanished between two looks');
    refuseTwice(flattenLists(built));
    return await builder.buildBeside(view, { built, roots }, closure, delivery, signal);
  }
  const outputs: BuildOutput[] = [];
  for (const root of roots) {
    const closure = await scanner.scan(view, { directory: root, roots: [root], components: [] }, reads, signal);
    if (closure !== undefined) outputs.push(await builder.build(view, closure, NO_FIELDS, signal));
  }
  return { built: [...built, ...outputs.flatMap((output) => output.built)], warnings: outputs.flatMap((output) => output.warnings) };
}

const NO_FIELDS: TopFields = { patches: [], images: [], components: [], namePrefix: '', nameSuffix: '' };

/** kustomize refuses an object that is there twice without telling where; @throws DroverError OBJECT_DUPLICATE */
function refuseTwice(objects: readonly BuiltObject[]): void {
  const seen = new Map<string, BuiltObject>();
  for (const object of objects) {
    const { apiVersion, kind, metadata } = object.value;
    const { namespace, name } = isObject(metadata) ? metadata : {};
    const key = canonicalJson([typeof apiVersion === 'string' ? groupOf(apiVersion) : null, kind ?? null, namespace ?? null, name ?? null]);
    const first = seen.get(key);
    if (first !== undefined)
      throw objectError('OBJECT_DUPLICATE', object, `is there twice: ${showPosition(first.position)} and ${showPosition(object.position)}`);
    seen.set(key, object);
  }
}

function finish(job: Job, output: BuildOutput): Outcome {
  const { delivery, cluster, path, reads } = job;
  const { postBuild, targetNamespace, commonMetadata } = delivery;
  const variables = postBuild === undefined ? undefined : createVariables(postBuild, cluster, reads);
  const { objects, warnings } = finishObjects(output.built, {
    unit: unitName(delivery.namespace, delivery.name),
    targetNamespace,
    commonMetadata,
    substitute: variables === undefined ? undefined : (object) => substituteObject(object, variables.lookup),
    scopes: (values) => createScopes(values, cluster.apiResources, reads),
  });
  if (objects.length === 0 && !delivery.allowEmpty) {
    throw new DroverError('RENDER_EMPTY', path || '.', 'renders to no object at all', at({ file: path }));
  }
  const emptied = [...(variables?.emptied ?? [])].map((name) => ({
    code: 'SUBSTITUTE_EMPTY' as const,
    subject: `variable ${name}`,
    message: 'is not defined and has no default; nothing stands in its place',
    hint: FAILURES.SUBSTITUTE_EMPTY.hint,
  }));
  return { type: 'rendered', objects, warnings: [...output.warnings, ...warnings, ...emptied] };
}

function at(position: Position | undefined): { readonly position?: Position } {
  return position === undefined || position.file === '' ? {} : { position };
}
