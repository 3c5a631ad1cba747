import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GitRepository } from './types.ts';
import { problemsOf, read } from './testdata/read.ts';

const source = (spec: string): string => `apiVersion: drover.dev/v1alpha1\nkind: GitRepository\nmetadata: { name: fleet }\nspec: ${spec}\n`;

function only(text: string): GitRepository {
  const configuration = read(text);
  assert.deepEqual(configuration.problems, []);
  assert.equal(configuration.sources.length, 1);
  return configuration.sources[0] as GitRepository;
}

test('a source has the defaults of the API', () => {
  assert.deepEqual(only(source('{ url: "https://git.example.com/fleet.git" }')), {
    namespace: 'drover',
    name: 'fleet',
    url: 'https://git.example.com/fleet.git',
    ref: { type: 'head' },
    intervalMs: 60_000,
    timeoutMs: 60_000,
    insecure: false,
    forcePush: 'Follow',
    suspend: false,
    position: { file: 'drover/fleet.yaml', line: 3, column: 19 },
  });
});

test('every field of a source is read', () => {
  const text = `apiVersion: drover.dev/v1alpha1
kind: GitRepository
metadata: { name: fleet, namespace: team-a, labels: { a: b }, annotations: { note: x } }
spec:
  url: http://git.example.com:8080/fleet.git
  insecure: true
  ref: { branch: release/1.2 }
  interval: 1h30m
  timeout: 90s
  secretRef: { name: fleet-git }
  ignore: |
    docs/
  forcePush: hold
  suspend: true
`;
  const { position, ...rest } = only(text);
  assert.deepEqual(position, { file: 'drover/fleet.yaml', line: 3, column: 19 });
  assert.deepEqual(rest, {
    namespace: 'team-a',
    name: 'fleet',
    url: 'http://git.example.com:8080/fleet.git',
    ref: { type: 'branch', name: 'release/1.2' },
    intervalMs: 5_400_000,
    timeoutMs: 90_000,
    insecure: true,
    secretRef: 'fleet-git',
    ignore: 'docs/\n',
    forcePush: 'Hold',
    suspend: true,
  });
});

const sha = 'a'.repeat(40);
const refs: readonly (readonly [string, GitRepository['ref']])[] = [
  ['{}', { type: 'head' }],
  ['{ branch: main }', { type: 'branch', name: 'main' }],
  ['{ tag: v1.2.3 }', { type: 'tag', name: 'v1.2.3' }],
  [`{ commit: ${sha} }`, { type: 'commit', sha }],
  [`{ commit: ${sha}, branch: main }`, { type: 'commit', sha, branch: 'main' }],
  ['{ branch: main, semver: "" }', { type: 'branch', name: 'main' }],
];

for (const [ref, want] of refs)
  test(`ref ${ref} is followed`, () => assert.deepEqual(only(source(`{ url: "https://x/y", ref: ${ref} }`)).ref, want));

const refusedRefs: readonly (readonly [string, string])[] = [
  ['{ branch: "-x" }', 'GIT_REF_REFUSED 4:44 spec.ref.branch: a part of the name starts with a dash'],
  ['{ branch: "--upload-pack=touch /tmp/x" }', 'GIT_REF_REFUSED 4:44 spec.ref.branch: the name holds a character that is refused'],
  ['{ tag: refs/../../x }', 'GIT_REF_REFUSED 4:41 spec.ref.tag: write the short name'],
  ['{ branch: a..b }', 'GIT_REF_REFUSED 4:44 spec.ref.branch: the name holds `..`'],
  ['{ commit: abc }', 'GIT_REF_REFUSED 4:44 spec.ref.commit: a commit is written with 40 hex digits'],
  ['{ branch: main, tag: v1 }', 'CONFIG_INVALID 4:50 spec.ref.tag stands alone; remove branch and commit, or the tag'],
  ['{ semver: ">=1" }', 'FIELD_NOT_YET 4:36 spec.ref.semver is not implemented yet; remove it'],
  ['{ name: refs/pull/7/head }', 'FIELD_NOT_YET 4:36 spec.ref.name is not implemented yet'],
  ['{ brnach: main }', 'FIELD_UNKNOWN 4:36 spec.ref.brnach is no field; did you mean branch?'],
  ['{ tag: 1.20 }', 'CONFIG_INVALID 4:41 spec.ref.tag must be text; write "1.20"'],
];

for (const [ref, problem] of refusedRefs) {
  test(`B36 ref ${ref} is refused before any process starts`, () => {
    const [first = '', ...more] = problemsOf(read(source(`{ url: "https://x/y", ref: ${ref} }`)));
    assert.equal(first.slice(0, problem.length), problem);
    assert.deepEqual(more, []);
  });
}

const refusedUrls: readonly (readonly [string, string])[] = [
  ['ext::sh -c touch% /tmp/x', 'GIT_URL_REFUSED'],
  ['file:///etc', 'GIT_URL_REFUSED'],
  ['/srv/git/fleet', 'GIT_URL_REFUSED'],
  ['--upload-pack=touch /tmp/x', 'GIT_URL_REFUSED'],
  ['-oProxyCommand=x', 'GIT_URL_REFUSED'],
  ['ssh://-oProxyCommand=touch/x', 'GIT_URL_REFUSED'],
  ['ssh://git@-oProxyCommand=touch/x', 'GIT_URL_REFUSED'],
  ['git://git.example.com/x', 'GIT_URL_REFUSED'],
  ['http://git.example.com/x', 'GIT_URL_REFUSED'],
  ['https://user:s3cret@git.example.com/x', 'GIT_URL_REFUSED'],
  ['https://s3cret@git.example.com/x', 'GIT_URL_REFUSED'],
  ['https://git.example.com/x?token=s3cret', 'GIT_URL_REFUSED'],
  ['https://git.example.com/$(s3cret)', 'GIT_URL_REFUSED'],
  ['https://git.example.com/../x', 'GIT_URL_REFUSED'],
  ['https://', 'GIT_URL_REFUSED'],
  ['', 'GIT_URL_REFUSED'],
  ['ssh://git@git.example.com/fleet.git', 'FIELD_NOT_YET'],
  ['git@git.example.com:fleet.git', 'FIELD_NOT_YET'],
];

for (const [url, code] of refusedUrls) {
  test(`B37 URL ${JSON.stringify(url)} is refused by ${code} and not repeated`, () => {
    const { sources, problems, refused } = read(source(`{ url: ${JSON.stringify(url)} }`));
    assert.deepEqual(sources, []);
    assert.deepEqual(refused, ['GitRepository/drover/fleet']);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.code, code);
    assert.deepEqual(problems[0]?.position, { file: 'drover/fleet.yaml', line: 4, column: 14 });
    assert.ok(!JSON.stringify(problems).includes('s3cret'));
  });
}
