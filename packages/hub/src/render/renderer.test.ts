import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Code, JsonObject, Problem } from '@drover/contract';
import { DroverError, parseJson } from '@drover/contract';
import { serverPath, tempDir } from '@drover/testbed';
import type { Delivery } from '#config/types.ts';
import { createFiles } from '../files-adapter.ts';
import { createRun } from '../run-adapter.ts';
import { createKustomize } from './kustomize-adapter.ts';
import type { KustomizeBuild, KustomizeEngine } from './kustomize.ts';
import { createMemoryCache } from './memory-cache.ts';
import { defaultDelivery } from './render-directory.ts';
import { createRenderer } from './renderer.ts';
import type { Content } from './testdata/memory-tree.ts';
import { memoryTree } from './testdata/memory-tree.ts';
import type { RenderCache, RenderCluster, Rendered, RenderResult } from './types.ts';

const { signal } = new AbortController();
const data = await tempDir('renderer');
after(() => data[Symbol.asyncDispose]());
const kustomize = createKustomize(
  { run: createRun(), files: createFiles({ dataDirectory: data.path }), effect: (_point, run) => run() },
  { program: serverPath('kustomize') },
);

/** The real engine, that counts and keeps what it was given. */
function counted(): KustomizeEngine & { readonly builds: KustomizeBuild[] } {
  const builds: KustomizeBuild[] = [];
  return {
    builds,
    version: (until) => kustomize.version(until),
    build(build, until) {
      builds.push(build);
      return kustomize.build(build, until);
    },
  };
}

const cluster: RenderCluster = { name: 'prod-eu', labels: { env: 'prod' }, vars: { domain: 'eu.example' }, apiResources: undefined };
type Files = Readonly<Record<string, Content>>;

async function render(files: Files, over: Partial<Delivery> = {}, more: Partial<RenderCluster> = {}): Promise<RenderResult> {
  const renderer = createRenderer({ engine: kustomize, cache: createMemoryCache() });
  return await renderer.render(
    memoryTree(files),
    { ...defaultDelivery(), name: 'shop', path: 'k', ...over },
    { ...cluster, ...more },
    signal,
  );
}

function rendered(result: RenderResult): Rendered {
  assert.equal(result.type, 'rendered', result.type === 'failed' ? `${result.problem.code} ${result.problem.message}` : result.type);
  return result as Rendered;
}

const keys = (result: RenderResult): readonly string[] => rendered(result).objects.map((object) => object.key);
const object = (result: RenderResult, key: string): JsonObject => {
  const found = rendered(result).objects.find((candidate) => candidate.key === key);
  assert.ok(found, `${key} is not among ${keys(result).join(', ')}`);
  return parseJson(found.json) as JsonObject;
};
function problem(result: RenderResult): Problem {
  assert.equal(result.type, 'failed');
  return (result as { readonly problem: Problem }).problem;
}

const configMap = (name: string, value = 'x', more = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  a: ${value}\n${more}`;
const web =
  'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, image: "nginx:1"}]}}}\n';

test('an overlay renders to judged objects in apply order, each with the place where it was written', async () => {
  const result = rendered(
    await render({
      'k/kustomization.yaml':
        'resources: [../base]\nnamePrefix: eu-\nnamespace: shop\nconfigMapGenerator:\n- name: conf\n  literals: [a=b]\n',
      'base/kustomization.yaml': 'resources: [web.yaml, ns.yaml]',
      'base/web.yaml': `# the web\n---\n${web}`,
      'base/ns.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n',
    }),
  );
  assert.deepEqual(
    result.objects.map(({ key, position }) => [key.replace(/-[a-z0-9]{10}$/, '-hash'), `${position?.file}:${position?.line}`]),
    [
      ['/Namespace//shop', 'base/ns.yaml:1'],
      ['/ConfigMap/shop/eu-conf-hash', 'k/kustomization.yaml:5'],
      ['apps/Deployment/shop/eu-web', 'base/web.yaml:3'],
    ],
  );
  assert.deepEqual(result.warnings, []);
});

test('plain manifests are read with the scalars of Kubernetes, and kustomizations below them built', async () => {
  const result = await render({
    'k/a.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {on: yes, mode: 0644, big: 9007199254740993}\n',
    'k/b.json': '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}',
    'k/sub/kustomization.yaml': 'resources: [c.yaml]\nnameSuffix: -x',
    'k/sub/c.yaml': configMap('c'),
  });
  assert.deepEqual(keys(result), ['/ConfigMap/default/b', '/ConfigMap/default/c-x', '/Service/default/a']);
  assert.deepEqual(object(result, '/Service/default/a')['spec'], { true: true, mode: 420, big: 9007199254740993n });
});

test('paths may be written with ./ and a slash at the end, and hold values of the cluster', async () => {
  const files = { 'clusters/prod-eu/prod/a.yaml': configMap('a') };
  assert.deepEqual(keys(await render(files, { path: './clusters/${cluster.name}/${cluster.labels["env"]}/' })), ['/ConfigMap/default/a']);
  assert.equal(problem(await render(files, { path: 'clusters/${cluster.vars.none}' })).code, 'CLUSTER_VALUE_MISSING');
  assert.equal(problem(await render(files, { path: 'clusters/${cluster.name}' }, { name: '..' })).code, 'CLUSTER_VALUE_REFUSED');
  assert.equal(problem(await render(files, { path: '../other' })).code, 'RENDER_PATH_REFUSED');
});

test('B1 a path that is not in the tree is absent, and its first missing name is a read', async () => {
  const result = await render({ 'clusters/a/x.yaml': '' }, { path: 'clusters/b/c' });
  assert.deepEqual(result, { type: 'absent', path: 'clusters/b/c', reads: [{ path: 'clusters/b', oid: null }] });
});

const empty: readonly { readonly name: string; readonly files: Files; readonly code: Code }[] = [
  { name: 'B1 a directory with nothing to render', files: { 'k/README.md': 'x' }, code: 'RENDER_NOTHING_FOUND' },
  { name: 'B2 nothing but comments', files: { 'k/a.yaml': '# nothing\n' }, code: 'RENDER_EMPTY' },
  { name: 'B2 nothing but null', files: { 'k/a.yaml': 'null\n---\n~\n---\n' }, code: 'RENDER_EMPTY' },
  { name: 'B2 an empty List', files: { 'k/a.yaml': 'apiVersion: v1\nkind: List\nitems: []\n' }, code: 'RENDER_EMPTY' },
  { name: 'B2 resources: []', files: { 'k/kustomization.yaml': 'resources: []' }, code: 'RENDER_EMPTY' },
  {
    name: 'F30 kustomize ends well and prints nothing',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': '# nothing' },
    code: 'RENDER_EMPTY',
  },
];
for (const { name, files, code } of empty) {
  test(`${name} is an error, unless allowEmpty`, async () => {
    assert.equal(problem(await render(files)).code, code);
    assert.deepEqual(keys(await render(files, { allowEmpty: true })), []);
  });
}

test('B46 one bad file among a hundred good ones fails the unit, with its place', async () => {
  const files: Record<string, Content> = { 'k/bad.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\n data: {}\n' };
  for (let i = 0; i < 100; i++) files[`k/good-${i}.yaml`] = configMap(`good-${i}`);
  assert.deepEqual(
    { ...problem(await render(files)), message: '', hint: '' },
    { code: 'YAML_INVALID', subject: 'k/bad.yaml', message: '', hint: '', position: { file: 'k/bad.yaml', line: 5, column: 2 } },
  );
});

const CANARY = 'canary-7f3a';
const failures: readonly {
  readonly name: string;
  readonly files: Files;
  readonly code: Code;
  readonly message: RegExp;
  readonly at: string;
}[] = [
  {
    name: 'B4 twice in one kustomization',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml, b.yaml]', 'k/a.yaml': configMap('x'), 'k/b.yaml': configMap('x') },
    code: 'OBJECT_DUPLICATE',
    message: /k\/a\.yaml:1 and k\/b\.yaml:1/,
    at: 'k/b.yaml:1',
  },
  {
    name: 'B4 twice through two bases that end in one namespace',
    files: {
      'k/kustomization.yaml': 'resources: [../a, ../b]',
      'a/kustomization.yaml': 'resources: [x.yaml]\nnamespace: shop',
      'b/kustomization.yaml': 'resources: [x.yaml]\nnamespace: shop',
      'a/x.yaml': configMap('x'),
      'b/x.yaml': configMap('x'),
    },
    code: 'OBJECT_DUPLICATE',
    message: /a\/x\.yaml:1 and b\/x\.yaml:1/,
    at: 'b/x.yaml:1',
  },
  {
    name: 'B4 twice through two apiVersions in a kustomization',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml, b.yaml]', 'k/a.yaml': web, 'k/b.yaml': web.replace('apps/v1', 'apps/v1beta2') },
    code: 'OBJECT_DUPLICATE',
    message: /as apps\/v1 and as apps\/v1beta2/,
    at: 'k/a.yaml:1',
  },
  {
    name: 'B6 no name in a kustomization',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': `apiVersion: v1\nkind: Secret\nstringData: {p: ${CANARY}}\n` },
    code: 'OBJECT_INVALID',
    message: /^Secret: metadata\.name is missing$/,
    at: 'k/a.yaml:1',
  },
  {
    name: 'B14 a key twice in a file that kustomize reads',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': configMap('x', 'y', '  a: z\n') },
    code: 'YAML_INVALID',
    message: /written twice, first in line 6/,
    at: 'k/a.yaml:7',
  },
  {
    name: 'a syntax error in a file that kustomize reads',
    files: { 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': '# x\na: b\n  c: d\n' },
    code: 'YAML_INVALID',
    message: /./,
    at: 'k/a.yaml:3',
  },
  {
    name: 'a patch that removes what is not there',
    files: {
      'k/kustomization.yaml':
        'resources: [a.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |-\n    - op: remove\n      path: /data/nope\n',
      'k/a.yaml': configMap('x'),
    },
    code: 'RENDER_KUSTOMIZE',
    message: /path: '\/data\/nope'/,
    at: 'k/kustomization.yaml:6',
  },
  {
    name: 'B21 a Secret that a generator makes shows none of its literals',
    files: { 'k/kustomization.yaml': `secretGenerator:\n- name: s\n  literals: [${CANARY}]\n` },
    code: 'RENDER_KUSTOMIZE',
    message: /literal source …/,
    at: 'k/kustomization.yaml:undefined',
  },
  {
    name: 'B32 a pointer of Git LFS under a generator is never content',
    files: {
      'k/kustomization.yaml': 'configMapGenerator:\n- name: a\n  files: [big.bin]\n',
      'k/big.bin': 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n',
    },
    code: 'RENDER_PATH_REFUSED',
    message: /LFS/,
    at: 'k/big.bin:undefined',
  },
];
for (const { name, files, code, message, at } of failures) {
  test(/^[BT]\d/.test(name) ? name : `refused: ${name}`, async () => {
    const failed = problem(await render(files));
    assert.equal(failed.code, code, failed.message);
    assert.match(failed.message, message);
    assert.equal(`${failed.position?.file}:${failed.position?.line}`, at);
    assert.ok(!JSON.stringify(failed).includes(CANARY));
  });
}

test('T7 what lies outside the repository cannot be reached by what kustomize reads differently', async () => {
  // to kustomize the key below would be another field: it is given what we read, and reads nothing else
  const files = {
    'k/kustomization.yaml': 'configMapGenerator:\n- name: a\n  "file\\u0073": [b.txt]\n',
    'k/b.txt': 'inside',
    'b.txt': 'outside',
  };
  assert.match(JSON.stringify(rendered(await render(files)).objects), /inside/);
});

test('patches, images, prefix, suffix, namespace and components of the Delivery are merged before the build', async () => {
  const result = await render(
    {
      'k/kustomization.yaml': 'resources: [web.yaml]\nconfigMapGenerator:\n- name: conf\n  literals: [a=b]\n',
      'k/web.yaml': web,
      'c/kustomization.yaml': 'kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nresources: [x.yaml]',
      'c/x.yaml': configMap('x'),
    },
    {
      components: ['../c'],
      namePrefix: 'p-',
      nameSuffix: '-s',
      targetNamespace: 'shop',
      images: [{ name: 'nginx', newTag: '2' }],
      patches: [
        { patch: '- {op: add, path: /spec/replicas, value: 3}', target: { kind: 'Deployment' } },
        { patch: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {b: c}' },
      ],
    },
  );
  const web2 = object(result, 'apps/Deployment/shop/p-web-s');
  assert.deepEqual(web2['spec'], { replicas: 3, template: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } });
  const conf = keys(result).find((key) => key.includes('p-conf-s-')) ?? '';
  assert.deepEqual(object(result, conf)['data'], { a: 'b', b: 'c' });
  assert.ok(keys(result).includes('/ConfigMap/shop/p-x-s'));
});

test('plain manifests take the fields of a Delivery too, read by the same reader', async () => {
  const result = await render(
    {
      'k/a.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {mode: 0644, word: "yes", big: 9007199254740993}\n',
      'k/sub/kustomization.yaml': 'resources: [b.yaml]',
      'k/sub/b.yaml': configMap('b'),
    },
    { namePrefix: 'p-', targetNamespace: 'shop' },
  );
  assert.deepEqual(keys(result), ['/ConfigMap/shop/p-b', '/Service/shop/p-a']);
  assert.deepEqual(object(result, '/Service/shop/p-a')['spec'], { mode: 420, word: 'yes', big: 9007199254740993n });
  assert.deepEqual(
    rendered(result).objects.map((one) => one.position?.file),
    ['k/sub/b.yaml', 'k/a.yaml'],
  );
  const twice = problem(await render({ 'k/a.yaml': configMap('x'), 'k/b.yaml': configMap('x') }, { namePrefix: 'p-' }));
  assert.deepEqual([twice.code, twice.message], ['OBJECT_DUPLICATE', 'is there twice: k/a.yaml:1 and k/b.yaml:1']);
});

test('a patch of the Delivery whose target meets nothing is warned about', async () => {
  const patches = [{ patch: '- {op: remove, path: /x}', target: { kind: 'Deployment', name: 'wbe' } }];
  const result = rendered(await render({ 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': web }, { patches }));
  assert.deepEqual(
    result.warnings.map((warning) => [warning.code, warning.subject]),
    [['PATCH_UNUSED', 'patches[0]']],
  );
});

test('fields that only the first kustomization file may set stay in force under a Delivery with fields', async () => {
  const files = {
    'k/kustomization.yaml': 'resources: [a.yaml]\nbuildMetadata: [managedByLabel]\nopenapi: {path: schema.json}\n',
    'k/a.yaml': configMap('a'),
    'k/schema.json': '{"definitions":{}}',
  };
  const result = await render(files, { namePrefix: 'p-' });
  assert.match(JSON.stringify(object(result, '/ConfigMap/default/p-a')['metadata']), /"app.kubernetes.io\/managed-by":"kustomize-/);
});

test('variables are replaced after the build, and only where postBuild is present', async () => {
  const files = { 'k/kustomization.yaml': 'resources: [a.yaml]', 'k/a.yaml': configMap('a', '${tier}-${cluster.name}') };
  assert.deepEqual(object(await render(files), '/ConfigMap/default/a')['data'], { a: '${tier}-${cluster.name}' });
  const postBuild = { substitute: { tier: 'gold' }, strategy: 'Strict' as const };
  assert.deepEqual(object(await render(files, { postBuild }), '/ConfigMap/default/a')['data'], { a: 'gold-prod-eu' });
});

test('B28 a variable that nobody defined fails the unit, with object, field and place', async () => {
  const failed = problem(await render({ 'k/a.yaml': configMap('a', '${gone}') }, { postBuild: { substitute: {}, strategy: 'Strict' } }));
  assert.deepEqual(
    [failed.code, failed.subject, failed.message, failed.position],
    ['SUBSTITUTE_MISSING', 'ConfigMap a', 'data.a: variable gone is not defined and has no default', { file: 'k/a.yaml', line: 1 }],
  );
});

/** A cache whose calls are counted, over one that stays. */
function counting(cache: RenderCache): RenderCache & { puts: number } {
  const counted = {
    puts: 0,
    closures: (lookup: string) => cache.closures(lookup),
    result: (key: string) => cache.result(key),
    putResult: (key: string, bytes: Uint8Array) => cache.putResult(key, bytes),
    put: (lookup: string, reads: Parameters<RenderCache['put']>[1], result: string) => {
      counted.puts++;
      return cache.put(lookup, reads, result);
    },
  };
  return counted;
}

const overlays = (changed = ''): Record<string, Content> => ({
  'base/kustomization.yaml': 'resources: [web.yaml]',
  'base/web.yaml': web + changed,
  'c/a/kustomization.yaml': 'resources: [../../base]\nnamePrefix: a-',
  'c/b/kustomization.yaml': 'resources: [../../base]\nnamePrefix: b-',
});
const delivery = { ...defaultDelivery(), name: 'shop', path: 'c/${cluster.name}' };

test('only what reads a changed file is rendered again, also after a restart', async () => {
  const engine = counted();
  const store = createMemoryCache();
  let renderer = createRenderer({ engine, cache: store });
  const both = async (files: Files): Promise<readonly RenderResult[]> => {
    const tree = memoryTree(files);
    return await Promise.all(['a', 'b'].map((name) => renderer.render(tree, delivery, { ...cluster, name }, signal)));
  };
  const first = await both(overlays());
  assert.equal(engine.builds.length, 2);
  assert.deepEqual(await both({ ...overlays(), 'c/unrelated/x.yaml': 'x' }), first);
  assert.equal(engine.builds.length, 2, 'nothing of theirs changed');
  renderer = createRenderer({ engine, cache: store });
  assert.deepEqual(await both(overlays()), first);
  assert.equal(engine.builds.length, 2, 'a restart renders nothing');
  await both({ ...overlays(), 'c/a/kustomization.yaml': 'resources: [../../base]\nnamePrefix: aa-' });
  assert.deepEqual(
    engine.builds.slice(2).map((build) => build.directory),
    ['c/a'],
  );
  await both(overlays('# changed'));
  assert.equal(engine.builds.length, 5, 'the base is read by both');
  assert.deepEqual(await both(overlays()), first);
  assert.equal(engine.builds.length, 5, 'going back is known');
});

test('a file that was absent and appears renders again', async () => {
  const engine = counted();
  const renderer = createRenderer({ engine, cache: createMemoryCache() });
  const missing = { 'k/kustomization.yaml': 'resources: [a.yaml]' };
  const at = { ...defaultDelivery(), path: 'k' };
  assert.equal(problem(await renderer.render(memoryTree(missing), at, cluster, signal)).code, 'RENDER_RESOURCE_MISSING');
  assert.deepEqual(keys(await renderer.render(memoryTree({ ...missing, 'k/a.yaml': configMap('a') }), at, cluster, signal)), [
    '/ConfigMap/default/a',
  ]);
  assert.equal(
    problem(await renderer.render(memoryTree({ ...missing, 'k/a.yaml': configMap('a'), 'k/Kustomization': '' }), at, cluster, signal)).code,
    'RENDER_KUSTOMIZE',
  );
});

test('another spec.ignore, which no read stands for, renders again', async () => {
  const cache = counting(createMemoryCache());
  const renderer = createRenderer({ engine: kustomize, cache });
  const tree = memoryTree({ 'k/a.yaml': configMap('a') });
  const at = { ...defaultDelivery(), path: 'k' };
  for (const [rules, puts] of [
    ['one', 1],
    ['two', 2],
    ['one', 2],
  ] as const) {
    await renderer.render({ ...tree, rules }, at, cluster, signal);
    assert.equal(cache.puts, puts);
  }
});

test('a failure is kept like any outcome: the same bad content runs no engine again', async () => {
  const engine = counted();
  const renderer = createRenderer({ engine, cache: createMemoryCache() });
  const files = { 'k/kustomization.yaml': 'resources: [a.yaml]\npatches: [{patch: "kind: X"}]', 'k/a.yaml': web };
  const at = { ...defaultDelivery(), path: 'k' };
  const first = problem(await renderer.render(memoryTree(files), at, cluster, signal));
  assert.deepEqual(problem(await renderer.render(memoryTree(files), at, cluster, signal)), first);
  assert.equal(engine.builds.length, 1);
});

test('overlays that build the same are built once, each with its own places', async () => {
  const engine = counted();
  const renderer = createRenderer({ engine, cache: createMemoryCache() });
  const overlay = 'resources: [../../base, own.yaml]';
  const tree = memoryTree({
    ...overlays(),
    'c/a/kustomization.yaml': overlay,
    'c/b/kustomization.yaml': overlay,
    'c/a/own.yaml': configMap('own'),
    'c/b/own.yaml': configMap('own'),
  });
  const results = await Promise.all(['a', 'b'].map((name) => renderer.render(tree, delivery, { ...cluster, name }, signal)));
  assert.equal(engine.builds.length, 1);
  assert.deepEqual(
    results.map((result) => rendered(result).objects[0]?.position?.file),
    ['c/a/own.yaml', 'c/b/own.yaml'],
  );
  assert.deepEqual(
    results
      .map((result) => rendered(result).objects.map((one) => one.digest))
      .map(String)
      .filter((digests, index, all) => digests === all[0]).length,
    2,
  );
});

test('a render is renewed by a value of the cluster only if it read that value', async () => {
  const renderer = createRenderer({ engine: kustomize, cache: createMemoryCache() });
  const cache = counting(createMemoryCache());
  const watched = createRenderer({ engine: kustomize, cache });
  const tree = memoryTree({
    'k/a.yaml': configMap('a', '${cluster.vars.domain}'),
    'k/b.yaml': 'apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: b}\n',
  });
  const at = { ...defaultDelivery(), path: 'k', postBuild: { substitute: {}, strategy: 'Strict' as const } };
  const thing = (namespaced: boolean): RenderCluster['apiResources'] => [{ group: 'x.io', version: 'v1', kind: 'Thing', namespaced }];
  for (const [more, puts] of [
    [{}, 1],
    [{ labels: { env: 'other' }, vars: { ...cluster.vars, unread: 'x' } }, 1],
    [{ vars: { domain: 'us.example' } }, 2],
    [{ apiResources: [{ group: 'y.io', version: 'v1', kind: 'Other', namespaced: true }] }, 2],
    [{ apiResources: thing(true) }, 3],
    [{ apiResources: thing(false) }, 4],
    [{}, 4],
  ] as const) {
    const given = { ...cluster, ...more };
    assert.deepEqual(await watched.render(tree, at, given, signal), await renderer.render(tree, at, given, signal));
    assert.equal(cache.puts, puts, JSON.stringify(more));
  }
  assert.deepEqual(keys(await renderer.render(tree, at, { ...cluster, apiResources: thing(true) }, signal)), [
    '/ConfigMap/default/a',
    'x.io/Thing/default/b',
  ]);
});

test('reads hold paths alone, never values of the cluster', async () => {
  const result = rendered(
    await render({ 'k/a.yaml': configMap('a', '${cluster.name}') }, { postBuild: { substitute: {}, strategy: 'Strict' } }),
  );
  assert.deepEqual(
    result.reads.map((read) => read.path),
    ['k/kustomization.yaml', 'k/kustomization.yml', 'k/Kustomization', '.sourceignore', '.droverignore', 'k'],
  );
});

test('F30 a crash of the engine rejects, is not kept, and does not cling to others who asked for the same', async () => {
  let crashes = 1;
  const engine: KustomizeEngine = {
    version: (until) => kustomize.version(until),
    build(build, until) {
      if (crashes-- > 0) throw new DroverError('RENDER_ENGINE_FAILED', 'kustomize', 'ended with 2');
      return kustomize.build(build, until);
    },
  };
  const renderer = createRenderer({ engine, cache: createMemoryCache() });
  const tree = memoryTree(overlays());
  await assert.rejects(renderer.render(tree, delivery, { ...cluster, name: 'a' }, signal), { code: 'RENDER_ENGINE_FAILED' });
  assert.equal((await renderer.render(tree, delivery, { ...cluster, name: 'a' }, signal)).type, 'rendered');
});

test('a cancelled render rejects, and one that waited for its build goes on by itself', async () => {
  const engine = counted();
  const renderer = createRenderer({ engine, cache: createMemoryCache() });
  const overlay = 'resources: [../../base]';
  const tree = memoryTree({ ...overlays(), 'c/a/kustomization.yaml': overlay, 'c/b/kustomization.yaml': overlay });
  const abort = new AbortController();
  const cancelled = renderer.render(tree, delivery, { ...cluster, name: 'a' }, abort.signal);
  const other = renderer.render(tree, delivery, { ...cluster, name: 'b' }, signal);
  while (engine.builds.length === 0) await new Promise(setImmediate);
  abort.abort(new Error('stopped'));
  await assert.rejects(cancelled, /stopped/);
  assert.deepEqual(keys(await other), ['apps/Deployment/default/web']);
});

test('damaged bytes in the store are rendered anew, never trusted', async () => {
  const store = createMemoryCache();
  const tree = memoryTree(overlays());
  const first = await createRenderer({ engine: kustomize, cache: store }).render(tree, delivery, { ...cluster, name: 'a' }, signal);
  const damaged: RenderCache = { ...store, result: async (key) => (await store.result(key))?.subarray(1) };
  assert.deepEqual(
    await createRenderer({ engine: kustomize, cache: damaged }).render(tree, delivery, { ...cluster, name: 'a' }, signal),
    first,
  );
});

test('the same input gives the same bytes each time', async () => {
  const files = {
    ...overlays(),
    'c/prod-eu/kustomization.yaml': 'resources: [../../base]\nsecretGenerator:\n- name: s\n  literals: [a=b]\n',
  };
  const once = await render(files, { path: 'c/prod-eu' });
  assert.deepEqual(await render(files, { path: 'c/prod-eu' }), once);
});
