import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gitSaid, redact } from './redact.ts';

const PASSWORD = 'p@ss/w0rd+canary';

suite('I12 what comes out of a program', () => {
  const basic = Buffer.from(`hub:${PASSWORD}`).toString('base64');
  const leaks = [
    ['as it is', `fatal: ${PASSWORD} was wrong`],
    ['percent-encoded', `url https://hub:${encodeURIComponent(PASSWORD)}@h/x`],
    ['as the base64 of user and password', `sent ${basic}`],
    ['as its own base64', `sent ${Buffer.from(PASSWORD).toString('base64')}`],
    ['inside other base64', `sent ${Buffer.from(`someone:${PASSWORD}:x`).toString('base64')}`],
    ['in a header', `> Authorization: Basic ${basic}`],
  ] as const;
  for (const [title, text] of leaks) {
    test(`holds no secret ${title}`, () => {
      const shown = redact(text, [PASSWORD]);
      assert.ok(!shown.includes(PASSWORD) && !shown.includes(encodeURIComponent(PASSWORD)) && !shown.includes('canary'), shown);
      for (const run of shown.match(/[A-Za-z0-9+/]{8,}/g) ?? [])
        assert.ok(!Buffer.from(run, 'base64').toString('latin1').includes('canary'), shown);
    });
  }

  test('holds no credentials of URLs and headers that nobody named', () => {
    assert.equal(redact("fatal: repository 'https://jane:pw@h/x' not found", []), "fatal: repository 'https://***@h/x' not found");
    assert.equal(redact('fatal: https://token@h/x', []), 'fatal: https://***@h/x');
    assert.equal(redact('authorization: Bearer abcdef123456', []), 'authorization: ***');
    assert.equal(redact('got Bearer abcdef123456', []), 'got Bearer ***');
  });

  test('is one short line: what is fatal first, no hints, no escapes', () => {
    const stderr = `remote: \u001b[31mhello\r\nhint: try this\nwarning: w\nerror: e\nfatal: f\nfatal: f\n`;
    assert.equal(gitSaid(stderr, []), 'fatal: f; error: e; remote:  [31mhello');
    assert.equal(gitSaid('usage: git\n', []), 'usage: git');
    assert.ok(gitSaid(`fatal: ${'x'.repeat(5000)}`, []).length < 500);
  });
});
