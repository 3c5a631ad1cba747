import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { serverPath, tempDir } from '@drover/testbed';
import { runCli } from '../cli.ts';
import { plain } from '../format/paint.ts';

const files = {
  '.git/HEAD': 'ref: refs/heads/main\n',
  'base/kustomization.yaml': 'resources: [config.yaml]\n',
  'base/config.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { size: "1" }\n',
  'clusters/prod-eu/kustomization.yaml': 'namePrefix: eu-\nresources:\n- ../../base\n',
  'clusters/prod-us/kustomization.yaml': 'namePrefix: us-\nresources:\n- ../../bse\n',
  'plain/prod-eu/job.yaml':
    'apiVersion: example.com/v1\nkind: Big\nmetadata: { name: big, namespace: x }\nspec: { count: 9007199254740993 }\n',
};

async function render(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  await using directory = await tempDir('render');
  for (const [path, text] of Object.entries(files)) {
    const file = join(directory.path, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  let out = '';
  let err = '';
  const code = await runCli(
    ['render', ...argv, '--kustomize', serverPath('kustomize')],
    {
      env: {},
      cwd: directory.path,
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      columns: undefined,
      paint: plain,
      now: () => 0,
      sleep: async () => {},
      signal: new AbortController().signal,
      connect: () => assert.fail('a hub was asked'),
    },
    { hub: async () => 0, agent: async () => 0 },
  );
  return { code, out, err };
}

test('render prints what the hub would deliver, marks included, with no hub', async () => {
  const { code, out, err } = await render('clusters/prod-eu', '--cluster', 'prod-eu');
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^---\napiVersion: v1\ndata:\n {2}size: "1"\nkind: ConfigMap\nmetadata:\n/);
  assert.match(out, /\n {2}name: eu-web\n/);
  assert.match(out, /drover\.dev\/managed: "true"\n/);
});

test('render keeps the digits of integers, in YAML and JSON', async () => {
  assert.match((await render('plain/prod-eu', '--cluster', 'prod-eu')).out, /\n {2}count: 9007199254740993\n/);
  assert.match((await render('plain/prod-eu', '--cluster', 'prod-eu', '-o', 'json')).out, /"count":9007199254740993/);
  assert.equal((await render('plain/prod-eu', '--cluster', 'prod-eu', '-o', 'name')).out, 'Big x/big\n');
});

test('render draws what failed: file, line and caret; exit 1', async () => {
  const { code, out, err } = await render('clusters/prod-us', '--cluster', 'prod-us');
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /^error\[RENDER_RESOURCE_MISSING\]: /);
  assert.match(err, /\n {2}--> clusters\/prod-us\/kustomization\.yaml:3:3\n/);
  assert.match(err, /\n {3}3 \| - \.\.\/\.\.\/bse\n {5}\| {3}\^{9} /);
});

test('render of what is not there says so; exit 1', async () => {
  const { code, err } = await render('clusters/nowhere', '--cluster', 'nowhere');
  assert.deepEqual([code, err], [1, '[RENDER_NOTHING_FOUND] nothing found at clusters/nowhere\n']);
});

test('render needs to know the cluster; exit 2', async () => {
  assert.equal((await render('clusters/prod-eu')).code, 2);
});
