import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HUB_HELP, isLoopback, parseHubOptions, showOptions } from './options.ts';

const parse = (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => parseHubOptions(argv, env, '/work');

test('zero configuration listens on loopback and keeps its data below the working directory', () => {
  const options = parse(['--source', 'https://git.example.com/fleet.git']);
  assert.deepEqual(options.listen, { host: '127.0.0.1', port: 7440 });
  assert.equal(options.dataDirectory, '/work/drover-data');
  assert.equal(options.configPath, 'drover');
  assert.deepEqual(options.publicHosts, ['localhost']);
  assert.ok(Object.isFrozen(options));
});

test('flags come before the environment, and relative paths are of the working directory', () => {
  const options = parse(['--data-dir', 'x', '--config-path', './conf/'], {
    DROVER_DATA_DIR: '/y',
    DROVER_CONFIG: 'c',
    DROVER_PUBLIC_HOST: 'a.example.com, b.example.com',
    DROVER_NATS_LISTEN: '[::1]:0',
  });
  assert.equal(options.dataDirectory, '/work/x');
  assert.equal(options.configDirectory, '/work/c');
  assert.equal(options.configPath, 'conf');
  assert.deepEqual(options.publicHosts, ['a.example.com', 'b.example.com']);
  assert.deepEqual(options.natsListen, { host: '::1', port: 0 });
});

test('a local clone is a path, and its configuration stays local', () => {
  assert.equal(parse(['--source', '.']).source, '/work');
  assert.throws(() => parse(['--source', '.', '--listen', '0.0.0.0:7440', '--tls-cert', 'c', '--tls-key', 'k']), /loopback/);
});

const refused: readonly (readonly [name: string, argv: readonly string[], message: RegExp])[] = [
  ['an unknown flag', ['--sauce', 'x'], /sauce/],
  ['a word that is no flag', ['serve'], /serve|positional/],
  ['a listener without a port', ['--listen', 'localhost'], /--listen.*host:port/],
  ['a port that is none', ['--listen', '127.0.0.1:70000'], /--listen/],
  ['a listener beyond loopback without TLS', ['--listen', '0.0.0.0:7440'], /--tls-cert/],
  ['a name that only looks like loopback', ['--listen', '127.evil.example.com:7440'], /--tls-cert/],
  ['a log format that is none', ['--log-format', 'xml'], /json/],
  ['B37 plain http without --insecure', ['--source', 'http://git.example.com/x.git'], /insecure/],
  ['B37 a protocol that runs programs', ['--source', 'ext::sh -c id'], /--source/],
  ['B37 a source with credentials', ['--source', 'https://user:hunter2@git.example.com/x.git'], /credentials/],
  ['NATS with credentials', ['--nats', 'nats://user:hunter2@nats.example.com'], /credentials/],
  ['a configuration directory outside of the source', ['--config-path', '../x'], /--config-path/],
];
for (const [name, argv, message] of refused) {
  const id = /^[A-Z]\d+ /.exec(name)?.[0] ?? '';
  test(`${id}${name.slice(id.length)} is refused, by the name of its flag`, () => {
    assert.throws(
      () => parse(argv),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'USAGE');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });
}

test('I12 what is in force is shown without the token', () => {
  const shown = showOptions(parse([], { DROVER_SOURCE_TOKEN: 'hunter2' }));
  assert.doesNotMatch(shown, /hunter2/);
  assert.match(shown, /"sourceToken": "\[redacted\]"/);
});

test('loopback is told by address', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) assert.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '127.evil.example.com', '10.0.0.1', '127.0.0.1.example.com'])
    assert.equal(isLoopback(host), false, host);
});

test('every flag is in the help', () => {
  for (const flag of ['source', 'config', 'config-path', 'secrets', 'data-dir', 'nats', 'listen', 'public-host', 'kustomize'])
    assert.ok(HUB_HELP.includes(`--${flag}`), flag);
});
