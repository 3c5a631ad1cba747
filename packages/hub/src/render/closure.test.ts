import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Closure } from './closure.ts';
import { createClosureScanner } from './closure.ts';
import { KUSTOMIZATION_FIELDS } from './kustomization-fields.ts';
import { createReadLog } from './reads.ts';
import type { Content } from './testdata/memory-tree.ts';
import { memoryTree } from './testdata/memory-tree.ts';
import { createTreeViews } from './tree-view.ts';
import type { Read } from './types.ts';

const { signal } = new AbortController();

interface Scanned {
  readonly closure: Closure | undefined;
  readonly reads: readonly Read[];
}

async function scan(files: Readonly<Record<string, Content>>, components: readonly string[] = [], directory = 'k'): Promise<Scanned> {
  const reads = createReadLog();
  const closure = await createClosureScanner().scan(
    createTreeViews()(memoryTree(files)),
    { directory, roots: [directory], components },
    reads,
    signal,
  );
  return { closure, reads: reads.list() };
}

const k = (text: string, more: Readonly<Record<string, Content>> = {}): Readonly<Record<string, Content>> => ({
  'k/kustomization.yaml': text,
  ...more,
});

test('the closure is every file that the build may read, and nothing else', async () => {
  const { closure } = await scan({
    'k/kustomization.yaml': [
      'resources: [../base, own.yaml]',
      'components: [../part]',
      'crds: [crd.json]',
      'configurations: [conf.yaml]',
      'patches: [{path: p1.yaml}, {patch: "kind: X"}]',
      'patchesJson6902: [{path: p2.json, target: {kind: X}}]',
      'patchesStrategicMerge: [p3.yaml, "kind: X\\nmetadata: {name: a}"]',
      'replacements: [{path: r.yaml}, {source: {kind: X}}]',
      'configMapGenerator: [{name: a, files: [f1.txt, key=f2.txt], envs: [e1.env], env: e2.env, literals: [a=../../secret]}]',
      'secretGenerator: [{name: b, files: [dir/s.txt]}]',
      'openapi: {path: schema.json}',
    ].join('\n'),
    'base/kustomization.yml': 'resources: [web.yaml]',
    'part/Kustomization': 'kind: Component\npatches: [{path: p.yaml}]',
    ...Object.fromEntries(
      [
        'base/web.yaml',
        'base/other.yaml',
        'part/p.yaml',
        'k/own.yaml',
        'k/crd.json',
        'k/conf.yaml',
        'k/p1.yaml',
        'k/p2.json',
        'k/p3.yaml',
        'k/r.yaml',
        'k/f1.txt',
        'k/f2.txt',
        'k/e1.env',
        'k/e2.env',
        'k/dir/s.txt',
        'k/schema.json',
        'secret',
      ].map((path) => [path, `# ${path}`]),
    ),
  });
  assert.deepEqual([...(closure?.files.keys() ?? [])].sort(), [
    'base/kustomization.yml',
    'base/web.yaml',
    'k/conf.yaml',
    'k/crd.json',
    'k/dir/s.txt',
    'k/e1.env',
    'k/e2.env',
    'k/f1.txt',
    'k/f2.txt',
    'k/kustomization.yaml',
    'k/own.yaml',
    'k/p1.yaml',
    'k/p2.json',
    'k/p3.yaml',
    'k/r.yaml',
    'k/schema.json',
    'part/Kustomization',
    'part/p.yaml',
  ]);
});

test('the reads are the closure with its object ids, and the names that were looked for and absent', async () => {
  const { reads } = await scan(k('resources: [a.yaml]', { 'k/a.yaml': 'a', 'k/unread.yaml': 'b' }));
  assert.deepEqual(
    reads.map(({ path, oid }) => [path, oid === null ? 'absent' : oid.length]),
    [
      ['k/kustomization.yaml', 40],
      ['k/kustomization.yml', 'absent'],
      ['k/Kustomization', 'absent'],
      ['k/a.yaml', 40],
    ],
  );
});

test('a directory without a kustomization file has no closure', async () => {
  const { closure, reads } = await scan({ 'k/a.yaml': 'a' });
  assert.equal(closure, undefined);
  assert.deepEqual(
    reads.map((read) => read.oid),
    [null, null, null],
  );
});

test('components of the Delivery belong to the closure', async () => {
  const { closure } = await scan(k('resources: []', { 'c/kustomization.yaml': 'kind: Component' }), ['../c']);
  assert.ok(closure?.files.has('c/kustomization.yaml'));
});

test('B31 symbolic links inside the repository are followed, to files and to directories', async () => {
  const { closure, reads } = await scan({
    'k/kustomization.yaml': 'resources: [link.yaml, base]',
    'k/link.yaml': { link: '../shared/web.yaml' },
    'k/base': { link: '../shared/base' },
    'shared/web.yaml': 'web',
    'shared/base/kustomization.yaml': 'resources: [../db.yaml]',
    'shared/db.yaml': 'db',
  });
  assert.deepEqual([...(closure?.files.keys() ?? [])].sort(), [
    'k/kustomization.yaml',
    'shared/base/kustomization.yaml',
    'shared/db.yaml',
    'shared/web.yaml',
  ]);
  assert.deepEqual(
    [...(closure?.links ?? [])],
    [
      ['k/link.yaml', 'shared/web.yaml'],
      ['k/base', 'shared/base'],
    ],
  );
  assert.ok(reads.some((read) => read.path === 'k/base') && reads.some((read) => read.path === 'shared/web.yaml'));
});

interface Failure {
  readonly name: string;
  readonly files: Readonly<Record<string, Content>>;
  readonly code: Code;
  readonly message: RegExp;
  /** `file:line:column` */
  readonly at?: string;
  readonly components?: readonly string[];
}

const failures: readonly Failure[] = [
  {
    name: 'a missing path is named with its place and the nearest name',
    files: { 'clusters/x/kustomization.yaml': 'resources:\n- ../../bse\n', 'base/a': '' },
    code: 'RENDER_RESOURCE_MISSING',
    message: /^\.\.\/\.\.\/bse does not exist at this commit: no file or directory "bse" in the root; did you mean \.\.\/\.\.\/base\?$/,
    at: 'clusters/x/kustomization.yaml:2:3',
  },
  {
    name: 'a missing directory in the middle is the one named',
    files: k('resources:\n  - bases/web/a.yaml', { 'k/base/web/a.yaml': '' }),
    code: 'RENDER_RESOURCE_MISSING',
    message: /no file or directory "bases" in k; did you mean base\/web\/a\.yaml\?/,
    at: 'k/kustomization.yaml:2:5',
  },
  {
    name: 'B1 a directory without a kustomization file is named',
    files: k('resources: [d]', { 'k/d/a.yaml': '' }),
    code: 'RENDER_RESOURCE_MISSING',
    message: /^directory d holds no kustomization file/,
    at: 'k/kustomization.yaml:1:13',
  },
  {
    name: 'T7 a path out of the repository is refused',
    files: k('resources:\n- ../../etc/passwd'),
    code: 'RENDER_PATH_REFUSED',
    message: /^\.\.\/\.\.\/etc\/passwd leads out of the repository$/,
    at: 'k/kustomization.yaml:2:3',
  },
  {
    name: 'T7 an absolute path is refused',
    files: k('configMapGenerator:\n- name: a\n  files:\n  - x=/proc/self/environ'),
    code: 'RENDER_PATH_REFUSED',
    message: /^\/proc\/self\/environ is absolute/,
    at: 'k/kustomization.yaml:4:5',
  },
  { name: 'T7 a file URL is refused', files: k('resources: ["file:///etc"]'), code: 'RENDER_PATH_REFUSED', message: /is remote/ },
  {
    name: 'B30 a remote base is refused with the alternative',
    files: k('resources:\n- https://github.com/o/r//base?ref=v1'),
    code: 'RENDER_PATH_REFUSED',
    message: /^https:.* is remote, and nothing is fetched during a render; commit a copy$/,
    at: 'k/kustomization.yaml:2:3',
  },
  {
    name: 'B30 a remote base without a scheme is refused, even where a directory has its name',
    files: k('resources: [github.com/o/r]', { 'k/github.com/o/r/kustomization.yaml': '' }),
    code: 'RENDER_PATH_REFUSED',
    message: /is remote/,
  },
  {
    name: 'T7 a remote file in a patch is refused',
    files: k('patches: [{path: "http://169.254.169.254/p"}]'),
    code: 'RENDER_PATH_REFUSED',
    message: /is remote/,
  },
  { name: 'an empty path is refused', files: k('resources: [""]'), code: 'RENDER_PATH_REFUSED', message: /the path is empty/ },
  {
    name: 'B30 helmCharts are refused with the alternative',
    files: k('resources: []\nhelmCharts:\n- name: x'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^helmCharts: charts are not rendered; commit the output of `helm template`/,
    at: 'k/kustomization.yaml:2:1',
  },
  {
    name: 'B30 an exec function is refused with the alternative',
    files: k('generators: [fn.yaml]', { 'k/fn.yaml': '' }),
    code: 'RENDER_FIELD_REFUSED',
    message: /^generators: plugins and functions are not run; use configMapGenerator/,
  },
  {
    name: 'B30 a transformer is refused',
    files: k('transformers:\n- |-\n  apiVersion: builtin\n  kind: X'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^transformers: /,
  },
  { name: 'B30 a validator is refused', files: k('validators: [v.yaml]'), code: 'RENDER_FIELD_REFUSED', message: /^validators: / },
  {
    name: 'an unknown field is named with the nearest known one',
    files: k('resource:\n- a.yaml'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^resource is no known field of a kustomization file; did you mean resources\?$/,
    at: 'k/kustomization.yaml:1:1',
  },
  {
    name: 'T7 a field in other capitals, which kustomize would read, is unknown',
    files: k('Resources: [../../x]'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^Resources is no known field/,
  },
  {
    name: 'T7 so is one inside a generator',
    files: k('configMapGenerator:\n- name: a\n  Files: [/etc/passwd]'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^configMapGenerator\[0\]\.Files is no known field.*did you mean files\?/,
    at: 'k/kustomization.yaml:3:3',
  },
  {
    name: 'T7 so is one inside a patch',
    files: k('patches: [{Path: /etc/passwd}]'),
    code: 'RENDER_FIELD_REFUSED',
    message: /^patches\[0\]\.Path is no known field/,
  },
  { name: 'a list that is none', files: k('resources: a.yaml'), code: 'RENDER_KUSTOMIZE', message: /^resources must be a list$/ },
  { name: 'an entry that is no text', files: k('resources: [1]'), code: 'RENDER_KUSTOMIZE', message: /^resources\[0\] must be a string$/ },
  {
    name: 'a file where a directory is wanted',
    files: k('components: [a.yaml]', { 'k/a.yaml': '' }),
    code: 'RENDER_KUSTOMIZE',
    message: /a\.yaml is a file/,
  },
  {
    name: 'a directory where a file is wanted',
    files: k('patches: [{path: d}]', { 'k/d/a': '' }),
    code: 'RENDER_KUSTOMIZE',
    message: /d is a directory/,
  },
  {
    name: 'two kustomization files side by side',
    files: k('resources: []', { 'k/Kustomization': '' }),
    code: 'RENDER_KUSTOMIZE',
    message: /kustomization\.yaml and Kustomization lie side by side/,
  },
  { name: 'B2 an empty kustomization file', files: k('# nothing\n'), code: 'RENDER_KUSTOMIZE', message: /is empty$/ },
  {
    name: 'two documents in a kustomization file',
    files: k('resources: []\n---\nresources: []'),
    code: 'RENDER_KUSTOMIZE',
    message: /more than one document/,
  },
  {
    name: 'B14 a key that is there twice',
    files: k('resources: []\nresources: [../../x]'),
    code: 'YAML_INVALID',
    message: /"resources" is written twice/,
    at: 'k/kustomization.yaml:2:1',
  },
  { name: 'a directory that is its own base', files: k('resources: [.]'), code: 'RENDER_KUSTOMIZE', message: /cannot be its own base/ },
  {
    name: 'directories that are bases of each other',
    files: k('resources: [../b]', { 'b/kustomization.yaml': 'resources:\n- ../k\n' }),
    code: 'RENDER_KUSTOMIZE',
    message: /^\.\.\/k contains k, which is being built/,
    at: 'b/kustomization.yaml:2:3',
  },
  {
    name: 'B31 a link out of the repository',
    files: k('resources:\n- l.yaml', { 'k/l.yaml': { link: '../../etc/passwd' } }),
    code: 'RENDER_PATH_REFUSED',
    message: /^k\/l\.yaml is a symbolic link that leads out/,
    at: 'k/kustomization.yaml:2:3',
  },
  {
    name: 'B31 an absolute link',
    files: k('resources: [l.yaml]', { 'k/l.yaml': { link: '/etc/passwd' } }),
    code: 'RENDER_PATH_REFUSED',
    message: /leads out/,
  },
  {
    name: 'B31 links in a loop',
    files: k('resources: [a]', { 'k/a': { link: 'b' }, 'k/b': { link: 'a' } }),
    code: 'RENDER_PATH_REFUSED',
    message: /or in a loop/,
  },
  {
    name: 'B31 a link to nothing is a missing path',
    files: k('resources: [a]', { 'k/a': { link: 'gone' } }),
    code: 'RENDER_RESOURCE_MISSING',
    message: /^a does not exist/,
  },
  {
    name: 'B32 a submodule',
    files: k('resources: [sub/a.yaml]', { 'k/sub': { submodule: '0'.repeat(40) } }),
    code: 'RENDER_PATH_REFUSED',
    message: /^k\/sub is a submodule/,
  },
  {
    name: 'B32 a kustomization file in Git LFS',
    files: k('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
    code: 'RENDER_PATH_REFUSED',
    message: /is a Git LFS pointer/,
  },
  {
    name: 'T7 a component of the Delivery out of the repository',
    files: k('resources: []'),
    components: ['../../x'],
    code: 'RENDER_PATH_REFUSED',
    message: /leads out/,
  },
];
for (const { name, files, code, message, at, components } of failures) {
  test(/^[BT]\d/.test(name) ? name : `refused: ${name}`, async () => {
    const directory = Object.keys(files)[0]?.replace(/\/[^/]*$/, '') ?? '';
    await assert.rejects(scan(files, components, directory), (thrown) => {
      assert.ok(thrown instanceof DroverError, String(thrown));
      assert.equal(thrown.code, code, thrown.what);
      assert.match(thrown.what, message);
      const { file, line, column } = thrown.position ?? {};
      if (at !== undefined) assert.equal(`${file}:${line}:${column}`, at);
      return true;
    });
  });
}

test('B30 every field that is refused is refused only when it says something', async () => {
  for (const [field, known] of Object.entries(KUSTOMIZATION_FIELDS)) {
    if (typeof known === 'string') continue;
    for (const nothing of ['[]', '{}', 'null']) await scan(k(`resources: []\n${field}: ${nothing}`));
  }
});

test('a thousand overlays of one base read each directory of the tree once', async () => {
  const files: Record<string, Content> = { 'base/kustomization.yaml': 'resources: [a.yaml]', 'base/a.yaml': 'a' };
  for (let i = 0; i < 1000; i++) files[`clusters/c${i}/kustomization.yaml`] = `resources: [../../base]\nnamePrefix: c${i}-\n`;
  const tree = memoryTree(files);
  const scanner = createClosureScanner();
  const view = createTreeViews()(tree);
  for (let i = 0; i < 1000; i++) {
    await scanner.scan(view, { directory: `clusters/c${i}`, roots: [`clusters/c${i}`], components: [] }, createReadLog(), signal);
  }
  assert.deepEqual(tree.calls, { list: 1003, read: 1001 });
});
