import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { checkCommit, checkRefName, checkTreePath, checkUrl, protocolOf } from './refusals.ts';

const strict = { insecure: false, local: false };
const SECRET = 'hunter2';

const urls = [
  '',
  ' ',
  'ext::sh -c touch% /tmp/owned',
  'ext::git-upload-pack',
  'fd::17',
  'file:///etc/passwd',
  'file://localhost/etc',
  'http://git.example.com/fleet.git',
  'ssh://git@example.com/fleet.git',
  'ssh://-oProxyCommand=touch%20owned/x',
  'git@example.com:fleet.git',
  'git://example.com/fleet.git',
  'ftp://example.com/fleet.git',
  'rsync://example.com/fleet.git',
  'git+ssh://example.com/fleet.git',
  'https:/example.com/x',
  'https:example.com/x',
  'https://',
  'https:///x',
  'HTTPS://example.com/x',
  'https://-oProxyCommand=x/y',
  'https://-/x',
  `https://user:${SECRET}@example.com/x`,
  `https://${SECRET}@example.com/x`,
  'https://@example.com/x',
  'https://exa mple.com/x',
  'https://example.com/x y',
  'https://example.com/x\ny',
  'https://example.com/x\r\nHost: evil',
  'https://example.com/x\0',
  'https://example.com/x?service=git-upload-pack',
  'https://example.com/x#fragment',
  'https://example.com/%0a',
  'https://example.com/%00',
  'https://example.com/%7F',
  'https://example.com/%zz',
  'https://example.com/%',
  'https://example.com/../x',
  'https://example.com/a/%2e%2E/x',
  'https://example.com/a%2f..%2fx',
  'https://example.com/a%5c..%5cx',
  'https://example.com/$(id)',
  'https://example.com/`id`',
  "https://example.com/';id;'",
  'https://example.com/"x"',
  'https://example.com/x|y',
  'https://example.com/x\\y',
  'https://example.com/<x>',
  'https://example.com/--upload-pack=touch',
  'https://example.com:0/x',
  'https://example.com:65536/x',
  'https://example.com:x/y',
  'https://example..com/x',
  'https://[::1/x',
  'https://münchen.example/x',
  '--upload-pack=touch /tmp/owned',
  '-c core.sshCommand=id',
  '/srv/git/fleet.git',
  '../fleet.git',
  `https://example.com/${'a'.repeat(2100)}`,
];

const refs = [
  '',
  '-x',
  '--upload-pack=touch',
  '-',
  '@',
  '.',
  '..',
  'a..b',
  'refs/../../etc/passwd',
  'refs/heads/main',
  '/main',
  'main/',
  'a//b',
  'a/-b',
  '.hidden',
  'a/.b',
  'main.',
  'main.lock',
  'a.lock/b',
  'main@{1}',
  'main~1',
  'main^',
  'main:refs/heads/x',
  'a b',
  'a\nb',
  'a\0b',
  'a\tb',
  'a*',
  'a?',
  'a[b',
  'a\\b',
  '$(id)',
  '`id`',
  "';id;'",
  'mäin',
  'x'.repeat(201),
];

const paths = [
  '/',
  '/etc/passwd',
  '..',
  '.',
  '../x',
  'a/../b',
  'a/..',
  'a/./b',
  './a',
  'a//b',
  'a/',
  'a\\b',
  'a\nb',
  'a\0b',
  'a\u007fb',
  '\ud800',
  'x'.repeat(4097),
];

suite('T10 B36 B37 what may not come near git', () => {
  test(`more than 100 strings over URL, ref and path are refused before a process starts`, () => {
    assert.ok(urls.length + refs.length + paths.length > 100);
    for (const url of urls) assert.equal(typeof checkUrl(url, strict), 'string', JSON.stringify(url));
    for (const name of refs) assert.equal(typeof checkRefName(name), 'string', JSON.stringify(name));
    for (const path of paths) assert.equal(typeof checkTreePath(path), 'string', JSON.stringify(path));
    for (const sha of ['', 'HEAD', 'abc', 'A'.repeat(40), `${'a'.repeat(40)}\n`]) assert.equal(typeof checkCommit(sha), 'string');
  });

  test('credentials of a URL are not repeated in the refusal', () => {
    for (const url of urls) assert.ok(!(checkUrl(url, strict) ?? '').includes(SECRET));
  });

  test('insecure allows http, local allows file, each alone', () => {
    assert.equal(checkUrl('http://127.0.0.1:8080/fleet.git', { insecure: true, local: false }), undefined);
    assert.match(checkUrl('http://127.0.0.1:8080/fleet.git', { insecure: false, local: true }) ?? '', /insecure/);
    assert.equal(checkUrl('file:///srv/fleet.git', { insecure: false, local: true }), undefined);
    assert.match(checkUrl('file:///srv/fleet.git', { insecure: true, local: false }) ?? '', /loopback/);
    assert.match(checkUrl('file://host/srv', { insecure: true, local: true }) ?? '', /no host/);
    for (const url of ['ssh://h/x', 'ext::x', 'git://h/x']) {
      assert.equal(typeof checkUrl(url, { insecure: true, local: true }), 'string', url);
    }
  });

  test('plain URLs, branch and tag names, commits and paths are accepted', () => {
    for (const url of [
      'https://git.example.com/fleet.git',
      'https://git.example.com:8443/group/sub-group/fleet',
      'https://git.example.com/~jane/fleet.git',
      'https://[::1]:8443/x',
      'https://dev.azure.com/org/my%20project/_git/fleet',
    ]) {
      assert.equal(checkUrl(url, strict), undefined, url);
    }
    const local = pathToFileURL("/home/jörg/My Repos (old)/it's").href;
    assert.equal(checkUrl(local, { insecure: false, local: true }), undefined);
    for (const name of ['main', 'release/1.2', 'v1.0.0+build.5', 'user/jane_x', 'dependabot/npm_and_yarn/a-1', 'fix#12', '+main']) {
      assert.equal(checkRefName(name), undefined, name);
    }
    for (const path of ['', 'a', 'clusters/prod-eu', 'a b/ü', '...', '.github/x']) assert.equal(checkTreePath(path), undefined, path);
    assert.equal(checkCommit('0123456789abcdef0123456789abcdef01234567'), undefined);
  });

  test('the protocol of an accepted URL is the one git is allowed', () => {
    assert.equal(protocolOf('https://h/x'), 'https');
    assert.equal(protocolOf('http://h/x'), 'http');
    assert.equal(protocolOf('file:///x'), 'file');
  });
});
