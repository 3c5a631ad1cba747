import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lookup } from './expression.ts';
import { evaluate, ExpressionError } from './expression.ts';
import { globMatches } from './glob.ts';

const values: Readonly<Record<string, string>> = { name: 'web-App', path: '/srv/data/app.tar.gz', empty: '', n: '3', über: 'ü' };
const cluster: Readonly<Record<string, string>> = { name: 'prod-eu', 'labels["team/own"]': 'sre', 'vars.domain': 'eu.example' };
class Missing extends Error {}
const strict: Lookup = {
  variable: (name) => (Object.hasOwn(values, name) ? values[name] : undefined),
  cluster: (reference) => (Object.hasOwn(cluster, reference) ? cluster[reference] : undefined),
  missing(name) {
    throw new Missing(name);
  },
};

const results: readonly (readonly [expression: string, want: string])[] = [
  ['no variables', 'no variables'],
  ['$name and $(name) stay', '$name and $(name) stay'],
  ['a ${name} b', 'a web-App b'],
  ['${name}${n}', 'web-App3'],
  ['${über}', 'ü'],
  ['$${name}', '${name}'],
  ['$$', '$'],
  ['costs $$5 and ${n}', 'costs $5 and 3'],
  ['$$${name}', '$web-App'],
  ['${gone:=x}', 'x'],
  ['${gone:-x}', 'x'],
  ['${gone=x}', 'x'],
  ['${gone:=}', ''],
  ['${empty}', ''],
  ['${empty:=x}', 'x'],
  ['${name:=x}', 'web-App'],
  ['${gone:=a b: {c}', 'a b: {c'],
  ['${gone:=${name}}', 'web-App'],
  ['${gone:=pre-${name}-${n}-post}', 'pre-web-App-3-post'],
  ['${gone:="3"}', '"3"'],
  ['${gone:=-1}', '-1'],
  ['${#name}', '7'],
  ['${name^}', 'Web-App'],
  ['${name^^}', 'WEB-APP'],
  ['${name,}', 'web-App'],
  ['${name,,}', 'web-app'],
  ['${name:4}', 'App'],
  ['${name:0:3}', 'web'],
  ['${name: -3}', 'App'],
  ['${name:9}', ''],
  ['${name:4:${n}}', 'App'],
  ['${path#/}', 'srv/data/app.tar.gz'],
  ['${path#*/}', 'srv/data/app.tar.gz'],
  ['${path##*/}', 'app.tar.gz'],
  ['${path%.*}', '/srv/data/app.tar'],
  ['${path%%.*}', '/srv/data/app'],
  ['${path%[a-z]z}', '/srv/data/app.tar.'],
  ['${path#nothing}', '/srv/data/app.tar.gz'],
  ['${path/a/A}', '/srv/dAta/app.tar.gz'],
  ['${path//a/A}', '/srv/dAtA/App.tAr.gz'],
  ['${path//\\//-}', '-srv-data-app.tar.gz'],
  ['${path//a/}', '/srv/dt/pp.tr.gz'],
  ['${path/#\\/srv/x}', 'x/data/app.tar.gz'],
  ['${path/%gz/xz}', '/srv/data/app.tar.xz'],
  ['${name/App/$$&}', 'web-$&'],
  ['${cluster.name}', 'prod-eu'],
  ['${cluster.labels["team/own"]}', 'sre'],
  ['${cluster.vars.domain}', 'eu.example'],
  ['${cluster.vars.none:=x}', 'x'],
  ['${cluster.name^^}', 'PROD-EU'],
];
for (const [expression, want] of results) {
  test(`an expression ${expression} becomes ${JSON.stringify(want)}`, () => assert.equal(evaluate(expression, strict), want));
}

for (const expression of [
  '${gone}',
  '${#gone}',
  '${gone^}',
  '${gone,,}',
  '${gone:0}',
  '${gone/a/b}',
  '${gone//a/b}',
  '${gone#a}',
  '${gone%%a}',
  '${cluster.vars.none}',
]) {
  test(`B28 an expression ${expression} without value and default is missing, never empty`, () =>
    assert.throws(() => evaluate(expression, strict), Missing));
}

const refused = [
  '${',
  '${name',
  '${}',
  '${name!}',
  '${-x}',
  '${a.b}',
  '${name:+x}',
  '${name:?x}',
  '${name/x}',
  '${name:x}',
  '${name:0:-1}',
  '${gone:=${name}',
  '${cluster}.x}${',
  '${cluster.}',
];
for (const expression of refused) {
  test(`an expression ${expression} is refused`, () =>
    assert.throws(() => evaluate(expression, { ...strict, missing: () => '' }), ExpressionError));
}

test('an expression nested without end is refused', () => {
  assert.throws(() => evaluate('${a:='.repeat(100_000), strict), ExpressionError);
});

const globs: readonly (readonly [pattern: string, text: string, want: boolean])[] = [
  ['', '', true],
  ['*', '', true],
  ['a*c', 'abbbc', true],
  ['a*c', 'abbb', false],
  ['?', 'ü', true],
  ['[^a-c]', 'd', true],
  ['[^a-c]', 'b', false],
  ['[]]', ']', true],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['[', '[', false],
  ['**', 'a/b', true],
];
for (const [pattern, text, want] of globs) {
  test(`pattern ${pattern} ${want ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () =>
    assert.equal(globMatches(pattern, text), want));
}

test('a pattern of many stars takes no longer than its length allows', () => {
  assert.equal(globMatches('*a'.repeat(200), 'a'.repeat(2000) + 'b'), false);
});
