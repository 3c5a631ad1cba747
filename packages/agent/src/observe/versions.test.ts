import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, wentBack } from './versions.ts';

test('resource versions are ordered as numbers of any length', () => {
  const order = (a: string, b: string): number => Math.sign(compareVersions(a, b) ?? NaN);
  assert.equal(order('9', '10'), -1);
  assert.equal(order('10', '9'), 1);
  assert.equal(order('18446744073709551616', '18446744073709551615'), 1);
  assert.equal(order('007', '7'), 0);
  assert.equal(order('7', '7'), 0);
});

test('versions that are no numbers have no order', () => {
  assert.equal(compareVersions('abc', 'abd'), undefined);
  assert.equal(compareVersions('abc', 'abc'), 0);
  assert.equal(wentBack('abc', 'abb'), false);
});

test('F24 a version that falls means that the store went back', () => {
  assert.equal(wentBack('100', '99'), true);
  assert.equal(wentBack('100', '100'), false);
  assert.equal(wentBack('99', '100'), false);
  assert.equal(wentBack(undefined, '1'), false);
});
