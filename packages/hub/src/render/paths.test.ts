import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, joinPath, nearest, relativePath } from './paths.ts';
import { isRemote } from './remote.ts';

const joins: readonly (readonly [directory: string, path: string, want: string | undefined])[] = [
  ['', '.', ''],
  ['', './a//b/', 'a/b'],
  ['a/b', '../c', 'a/c'],
  ['a', '..', ''],
  ['a', '../..', undefined],
  ['', '../a', undefined],
  ['a', 'b/../../..', undefined],
  ['', '..a', '..a'],
];
for (const [directory, path, want] of joins) {
  test(`${JSON.stringify(path)} in ${JSON.stringify(directory)} is ${JSON.stringify(want)}`, () =>
    assert.equal(joinPath(directory, path), want));
}

test('a path is written relative to a directory as a kustomization file would', () => {
  assert.equal(relativePath('clusters/a', 'base/web.yaml'), '../../base/web.yaml');
  assert.equal(relativePath('', 'base'), 'base');
  assert.equal(relativePath('a', 'a'), '.');
});

test('a directory is within itself, its parents and the root, and not within its neighbour', () => {
  assert.deepEqual([isWithin('a/b', 'a/b'), isWithin('a/b', 'a'), isWithin('a/b', ''), isWithin('ab', 'a')], [true, true, true, false]);
});

test('the nearest name is one or a few letters away, or none', () => {
  assert.equal(nearest('bse', ['apps', 'base', 'clusters']), 'base');
  assert.equal(nearest('Kustomization', ['kustomizations']), 'kustomizations');
  assert.equal(nearest('web', ['database']), undefined);
});

const remotes: readonly (readonly [string, boolean])[] = [
  ['https://github.com/o/r//base?ref=v1', true],
  ['http://169.254.169.254/x.yaml', true],
  ['ssh://git@host/o/r', true],
  ['file:///etc', true],
  ['ext::sh -c id', false],
  ['git::https://host/o/r', true],
  ['GIT::x', true],
  ['git@host:o/r.git', true],
  ['me@host/o/r', true],
  ['github.com/o/r', true],
  ['GitHub.com:o/r', true],
  ['../base', false],
  ['github.com.d/x', false],
  ['a@b.yaml', true],
  ['user.name@x.yaml', false],
];
for (const [reference, want] of remotes) {
  test(`T7 kustomize would ${want ? '' : 'not '}fetch ${reference}`, () => assert.equal(isRemote(reference), want));
}
