import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { tempDir } from '@drover/testbed';
import { createFiles } from '../files-adapter.ts';
import { credentialConfig, gitCredentials } from './credentials.ts';
import { createSecretFiles } from './secret-files.ts';

const secret = (values: Record<string, string>): Map<string, Uint8Array> =>
  new Map(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

suite('credentials of a source', () => {
  const table: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['a user name and a password', { username: 'jane\n', password: 'pw\n' }, basic('jane:pw')],
    ['a password alone, as tokens are', { password: 'token' }, basic('git:token')],
    ['a bearer token before a password', { bearerToken: 'abc\r\n', password: 'pw' }, 'Bearer abc'],
    ['certificates alone', { 'ca.crt': 'PEM' }, undefined],
  ];
  for (const [title, values, expected] of table) {
    test(title, () => assert.equal(gitCredentials('secret a/b', secret(values)).authorization, expected));
  }

  test('T10 a line end inside a value would be another header: refused, without its value', () => {
    for (const values of [{ bearerToken: 'canary\nX: y' }, { username: 'canary\r', password: 'x' }, { password: 'canary\0' }]) {
      assert.throws(
        () => gitCredentials('secret a/b', secret({ password: 'p', ...values } as Record<string, string>)),
        (error: Error) => {
          assert.match(error.message, /SECRET_MISSING.*control character/);
          return !error.message.includes('canary');
        },
      );
    }
  });

  test('a secret without what is wanted names its keys and what is wanted', () => {
    assert.throws(
      () => gitCredentials('secret a/b', secret({ identity: 'canary' })),
      /SECRET_MISSING.*holds identity; wanted is bearerToken/,
    );
  });

  test('the header goes to the host of the URL alone', () => {
    const config = credentialConfig('https://git.example.com:8443/group/fleet.git', gitCredentials('s', secret({ bearerToken: 'abc' })));
    assert.deepEqual(config, [['http.https://git.example.com:8443/.extraHeader', 'Authorization: Bearer abc']]);
  });

  test('secrets are files below their namespace and name; names cannot climb', async () => {
    await using directory = await tempDir('secrets');
    await mkdir(join(directory.path, 'team-a', 'git'), { recursive: true });
    await writeFile(join(directory.path, 'team-a', 'git', 'password'), 'pw');
    const secrets = createSecretFiles({ files: createFiles({ dataDirectory: directory.path }), directory: directory.path });
    assert.deepEqual([...((await secrets.read('team-a', 'git'))?.keys() ?? [])], ['password']);
    assert.equal(await secrets.read('team-a', 'other'), undefined);
    for (const name of ['..', '../team-a', 'a/b', '', 'A']) await assert.rejects(secrets.read('team-a', name), { code: 'SECRET_MISSING' });
  });
});
