import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUri, isClusterName, parseClusterUri, parseJoinToken, renewalBytes, writeJoinToken } from './enrolment.ts';

const FLEET = '11111111-2222-4333-8444-555555555555';
const UID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const token = { id: '0123456789ab', secret: '0'.repeat(40), caDigest: 'ab'.repeat(32) };

test('a join token is read as it was written, with white space around it', () => {
  assert.deepEqual(parseJoinToken(`  ${writeJoinToken(token)}\n`), token);
});

const texts: readonly string[] = [
  '',
  'drover_x',
  `drover_api_0123456789ab_${'0'.repeat(40)}`,
  writeJoinToken({ ...token, caDigest: 'AB'.repeat(32) }),
  writeJoinToken({ ...token, caDigest: 'ab' }),
  writeJoinToken({ ...token, secret: 'short' }),
  writeJoinToken({ ...token, id: '../../etc' }),
  `${writeJoinToken(token)}_more`,
];
for (const text of texts) {
  test(`I12 ${JSON.stringify(text.slice(0, 24))}… is no join token, and is not quoted`, () => {
    assert.throws(
      () => parseJoinToken(text),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'TOKEN_INVALID');
        assert.ok(text === '' || !error.message.includes(text));
        return true;
      },
    );
  });
}

test('the name in a certificate is fleet and cluster, and nothing else is one', () => {
  assert.deepEqual(parseClusterUri(clusterUri(FLEET, UID)), { fleet: FLEET, uid: UID });
  const others = [
    '',
    `drover://${FLEET}/cluster/`,
    `drover://${FLEET}/cluster/${UID}/x`,
    `drover://${FLEET}/cluster/${UID}, URI:x`,
    `drover://x/cluster/${UID}`,
  ];
  for (const text of [...others, clusterUri(FLEET, UID).toUpperCase()]) assert.equal(parseClusterUri(text), undefined, text);
});

test('what a renewal signs differs with certificate and time', () => {
  const all = [renewalBytes(Buffer.from('a'), 1), renewalBytes(Buffer.from('b'), 1), renewalBytes(Buffer.from('a'), 2)];
  assert.equal(new Set(all.map((bytes) => Buffer.from(bytes).toString('hex'))).size, 3);
});

const names: readonly (readonly [string, boolean])[] = [
  ['prod-eu', true],
  ['a', true],
  ['edge.17', true],
  ['1', true],
  ['a'.repeat(63), true],
  ['a'.repeat(64), false],
  ['', false],
  ['Prod', false],
  ['-a', false],
  ['a-', false],
  ['..', false],
  ['a..b', false],
  ['a/b', false],
  ['a b', false],
  ['a\n', false],
];
for (const [name, good] of names) {
  test(`${JSON.stringify(name.slice(0, 20))} ${good ? 'can' : 'cannot'} name a cluster`, () => assert.equal(isClusterName(name), good));
}
