import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigurationReaderDeps } from './current.ts';
import { createConfigurationReader } from './current.ts';
import type { ConfigurationFile } from './parse.ts';
import { delivery } from './testdata/read.ts';
import type { Configuration } from './types.ts';

const { signal } = new AbortController();
const FLAGS = { url: 'https://git.example.com/fleet.git', insecure: false };
const shop = delivery();
const names = (configuration: Configuration | undefined): readonly string[] | undefined =>
  configuration?.deliveries.map(({ name }) => name);

/** Files by path below `/conf`; a directory is there when it holds any, or is named. */
function directory(files: Readonly<Record<string, string>> | undefined): ConfigurationReaderDeps['files'] {
  return {
    async list(path) {
      if (files === undefined) return undefined;
      const below = path === '/conf' ? '' : `${path.slice('/conf/'.length)}/`;
      const found = new Map<string, boolean>();
      for (const name of Object.keys(files)) {
        if (!name.startsWith(below)) continue;
        const [first = '', ...rest] = name.slice(below.length).split('/');
        found.set(first, rest.length > 0);
      }
      return [...found].map(([name, isDirectory]) => ({ name, directory: isDirectory }));
    },
    async read(path) {
      const text = files?.[path.slice('/conf/'.length)];
      return text === undefined || text === 'gone' ? undefined : Buffer.from(text);
    },
  };
}

function reader(over: Partial<ConfigurationReaderDeps>) {
  return createConfigurationReader({
    files: directory(undefined),
    flags: undefined,
    directory: undefined,
    filesOfTree: async () => undefined,
    ...over,
  });
}
const ofTree =
  (...texts: readonly string[]) =>
  async (): Promise<readonly ConfigurationFile[]> =>
    texts.map((bytes, index) => ({ path: `drover/${index}.yaml`, bytes }));

test('the directory of the source comes before --config, and that before the flags', async () => {
  const files = directory({ 'a.yaml': shop });
  const tree = await reader({ files, directory: '/conf', flags: FLAGS, filesOfTree: ofTree(shop.replace('shop', 'tree')) })(
    undefined,
    signal,
  );
  assert.deepEqual([names(tree), tree?.from], [['tree'], 'tree']);
  const disk = await reader({ files: directory({ 'sub/a.yaml': shop, '.hidden/b.yaml': 'x: [', README: '' }), directory: '/conf' })(
    undefined,
    signal,
  );
  assert.deepEqual([names(disk), disk?.from], [['shop'], 'directory']);
  const flags = await reader({ flags: FLAGS })(undefined, signal);
  assert.deepEqual([names(flags), flags?.from], [['fleet'], 'flags']);
});

test('I2 R3 what cannot be read, is gone or is suddenly empty changes nothing, and is told', async (t) => {
  const before = await reader({ files: directory({ 'a.yaml': shop }), directory: '/conf' })(undefined, signal);
  const tree = await reader({ filesOfTree: ofTree(shop), flags: FLAGS })(undefined, signal);
  const cases: readonly {
    readonly name: string;
    readonly deps: Partial<ConfigurationReaderDeps>;
    readonly previous?: Configuration | undefined;
    readonly code: string;
  }[] = [
    { name: 'a directory that is gone', deps: { directory: '/conf' }, code: 'CONFIG_VANISHED' },
    { name: 'a directory that is empty', deps: { files: directory({}), directory: '/conf' }, code: 'CONFIG_VANISHED' },
    {
      name: 'a file that vanishes while it is read',
      deps: { files: directory({ 'a.yaml': 'gone' }), directory: '/conf' },
      code: 'CONFIG_VANISHED',
    },
    {
      name: 'a directory that may not be read',
      deps: { files: { ...directory({}), list: () => Promise.reject(new Error('EACCES')) }, directory: '/conf' },
      code: 'UNEXPECTED',
    },
    {
      name: 'a file that is too large',
      deps: { files: directory({ 'a.yaml': ' '.repeat(5_000_000) }), directory: '/conf' },
      code: 'RENDER_LIMIT',
    },
    { name: 'a commit without the directory', deps: { flags: FLAGS }, previous: tree, code: 'CONFIG_VANISHED' },
    { name: 'a commit with the directory empty', deps: { flags: FLAGS, filesOfTree: ofTree() }, previous: tree, code: 'CONFIG_VANISHED' },
    {
      name: 'a commit that cannot be read',
      deps: { flags: FLAGS, filesOfTree: () => Promise.reject(new Error('closed')) },
      previous: tree,
      code: 'UNEXPECTED',
    },
  ];
  for (const { name, deps, previous = before, code } of cases) {
    await t.test(name, async () => {
      const now = await reader(deps)(previous, signal);
      assert.deepEqual(names(now), names(previous));
      assert.deepEqual(now?.sources, previous?.sources);
      assert.ok(
        now?.problems.some((problem) => problem.code === code),
        JSON.stringify(now?.problems),
      );
      const twice = await reader(deps)(now, signal);
      assert.equal(twice?.problems.filter((problem) => problem.code === code).length, 1);
    });
  }
});

test('documents that are all gone, from files that are there, are removed: that is stated', async () => {
  const before = await reader({ filesOfTree: ofTree(shop) })(undefined, signal);
  const now = await reader({ filesOfTree: ofTree('# nothing any more\n') })(before, signal);
  assert.deepEqual(names(now), []);
});

test('I2 before the first commit is there, nothing is known: what was in force stays', async () => {
  const before = await reader({ filesOfTree: ofTree(shop), flags: FLAGS })(undefined, signal);
  const unknown = reader({ flags: FLAGS, filesOfTree: async () => 'unknown' });
  assert.equal(await unknown(before, signal), before);
  assert.equal(await unknown(undefined, signal), undefined);
});

test('a problem that has passed is told no more', async () => {
  const before = await reader({ filesOfTree: ofTree(shop) })(undefined, signal);
  const failed = await reader({ filesOfTree: () => Promise.reject(new Error('closed')) })(before, signal);
  const now = await reader({ filesOfTree: ofTree(shop) })(failed, signal);
  assert.deepEqual(now?.problems, []);
});
