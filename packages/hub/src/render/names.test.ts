import assert from 'node:assert/strict';
import { test } from 'node:test';
import { annotationsFault, labelsFault, nameFault, namespaceFault } from './names.ts';

const names: readonly (readonly [group: string, kind: string, name: string, want: RegExp | undefined])[] = [
  ['', 'ConfigMap', 'a.b-c', undefined],
  ['', 'ConfigMap', 'x'.repeat(253), undefined],
  ['', 'ConfigMap', 'x'.repeat(254), /254 characters, at most 253/],
  ['', 'ConfigMap', 'Web', /lower-case/],
  ['', 'ConfigMap', 'a_b', /lower-case/],
  ['', 'ConfigMap', '-a', /begins and ends/],
  ['', 'ConfigMap', 'a..b', /lower-case/],
  ['', 'Namespace', 'x'.repeat(64), /64 characters, at most 63/],
  ['', 'Service', 'a.b', /the name "a\.b"/],
  ['rbac.authorization.k8s.io', 'ClusterRole', 'system:node', undefined],
  ['rbac.authorization.k8s.io', 'ClusterRole', 'a/b', /nor hold/],
  ['rbac.authorization.k8s.io', 'ClusterRole', '..', /may not be/],
];
for (const [group, kind, name, want] of names) {
  test(`B7 ${kind} ${name.length > 20 ? `of ${name.length} letters` : name} is ${want === undefined ? 'allowed' : 'refused with the limit'}`, () => {
    if (want === undefined) assert.equal(nameFault(group, kind, name), undefined);
    else assert.match(nameFault(group, kind, name) ?? '', want);
  });
}

test('B7 a namespace is a DNS label', () => {
  assert.equal(namespaceFault('team-a'), undefined);
  assert.match(namespaceFault('team.a') ?? '', /namespace "team\.a"/);
});

const labels: readonly (readonly [labels: Record<string, unknown>, want: RegExp | undefined])[] = [
  [{ 'app.kubernetes.io/name': 'web', empty: '' }, undefined],
  [{ a: 'x'.repeat(64) }, /label "a": the value has 64 characters, at most 63/],
  [{ ['x'.repeat(64)]: 'a' }, /its name has 64 characters/],
  [{ a: 'two words' }, /may hold letters/],
  [{ 'a/b/c': 'x' }, /its name may hold/],
  [{ '/b': 'x' }, /its prefix/],
  [{ a: true }, /must be text, and is the boolean true; write "true"/],
  [{ a: 12n }, /the number 12; write "12"/],
  [{ a: null }, /is null/],
];
for (const [given, want] of labels) {
  test(`B7 labels ${Object.keys(given)[0]?.slice(0, 20)}: ${want === undefined ? 'allowed' : want.source}`, () => {
    if (want === undefined) assert.equal(labelsFault(given), undefined);
    else assert.match(labelsFault(given) ?? '', want);
  });
}

test('B7 annotations may have 256 KiB together', () => {
  assert.equal(annotationsFault({ 'Example.com/A': 'x'.repeat(1000) }), undefined);
  assert.match(annotationsFault({ a: 'x'.repeat(200_000), b: 'x'.repeat(100_000) }) ?? '', /300002 bytes, at most 262144/);
  assert.match(annotationsFault({ a: ['x'] }) ?? '', /is a list/);
});
