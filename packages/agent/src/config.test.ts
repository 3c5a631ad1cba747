import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAgentConfig, showConfig } from './config.ts';

const noFile = (): string => {
  throw new Error('not read');
};

test('flags come before the environment, the environment before the file, the file before defaults', () => {
  const file = () => JSON.stringify({ hub: 'https://file', name: 'file', context: 'file', 'metrics-port': 1 });
  const env = { DROVER_HUB: 'https://env', DROVER_NAME: 'env', DROVER_CONFIG: 'c.json' };
  const config = parseAgentConfig(['--hub', 'https://flag'], env, file);
  assert.deepEqual(
    [config.hub, config.name, config.context, config.metricsPort, config.logFormat, config.maxDeletesPerDay],
    ['https://flag', 'env', 'file', 1, 'json', 1000],
  );
  assert.ok(Object.isFrozen(config));
});

test('an API token in the environment is no join token', () => {
  assert.equal(parseAgentConfig([], { DROVER_TOKEN: 'drover_api_x' }, noFile).token, undefined);
  assert.equal(parseAgentConfig([], { DROVER_JOIN_TOKEN: 'drover_x' }, noFile).token, 'drover_x');
});

test('I12 what is in force is shown without the token', () => {
  const shown = showConfig(parseAgentConfig(['--token', 'drover_canary', '--hub', 'https://hub/'], {}, noFile));
  assert.ok(!shown.includes('canary') && shown.includes('https://hub"'));
});

const wrong: readonly { readonly name: string; readonly argv: readonly string[]; readonly file?: string; readonly says: RegExp }[] = [
  { name: 'an unknown flag', argv: ['--huub', 'x'], says: /huub/ },
  { name: 'a word too many', argv: ['drover_canary'], says: /\[redacted\]/ },
  { name: 'a hub that is no URL', argv: ['--hub', 'hub.example.com'], says: /--hub.*no http/ },
  { name: 'a hub with credentials', argv: ['--hub', 'https://u:canary@hub'], says: /credentials/ },
  { name: 'two tokens', argv: ['--token', 'drover_canary', '--token-file', 'f'], says: /--token/ },
  { name: 'a port that is none', argv: ['--metrics-port', '70000'], says: /--metrics-port/ },
  { name: 'a log format that is none', argv: ['--log-format', 'xml'], says: /--log-format: xml is none of json, pretty/ },
  { name: 'a file that is no JSON', argv: ['--config', 'f'], file: 'hub: x', says: /f cannot be read as JSON/ },
  { name: 'a file with an unknown key', argv: ['--config', 'f'], file: '{"huub":"x"}', says: /unknown key huub/ },
  { name: 'a file with a list', argv: ['--config', 'f'], file: '{"hub":[]}', says: /hub has to be a string/ },
];
for (const { name, argv, file, says } of wrong) {
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => parseAgentConfig(argv, {}, () => file ?? noFile()),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'USAGE');
        assert.match(error.message, says);
        assert.ok(!error.message.includes('canary'));
        return true;
      },
    );
  });
}
