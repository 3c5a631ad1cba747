import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { classifyGitFailure } from './git-failure.ts';

const table = [
  ["fatal: unable to access 'http://h/x/': The requested URL returned error: 503", 'GIT_UNREACHABLE', 'sound'],
  ["fatal: unable to access 'https://h/x/': Could not resolve host: h", 'GIT_UNREACHABLE', 'sound'],
  [
    "fatal: unable to access 'https://h/x/': server certificate verification failed. CAfile: none CRLfile: none",
    'GIT_UNREACHABLE',
    'sound',
  ],
  ["fatal: repository 'https://h/x/' not found", 'GIT_UNREACHABLE', 'sound'],
  ["fatal: 'http://h/x/info/refs' not valid: is this a git repository?", 'GIT_UNREACHABLE', 'sound'],
  ["fatal: unable to access 'http://h/x/': The requested URL returned error: 302", 'GIT_UNREACHABLE', 'sound'],
  ["fatal: could not read Username for 'https://h': terminal prompts disabled", 'GIT_AUTH', 'sound'],
  ["fatal: unable to access 'https://h/x/': The requested URL returned error: 403", 'GIT_AUTH', 'sound'],
  ["fatal: Authentication failed for 'https://h/x/'", 'GIT_AUTH', 'sound'],
  ["fatal: couldn't find remote ref refs/heads/main", 'GIT_REF_MISSING', 'sound'],
  [`fatal: remote error: upload-pack: not our ref ${'f'.repeat(40)}`, 'GIT_REF_MISSING', 'sound'],
  [`error: Server does not allow request for unadvertised object ${'f'.repeat(40)}`, 'GIT_REF_MISSING', 'sound'],
  [
    'error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output',
    'GIT_CORRUPT',
    'sound',
  ],
  ['fatal: protocol error: bad pack header', 'GIT_CORRUPT', 'sound'],
  ["fatal: transport 'ext' not allowed", 'GIT_URL_REFUSED', 'sound'],
  ['fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output', 'STORE_FAILED', 'sound'],
  ['fatal: attempting to allocate 2147483649 over limit 1073741824', 'GIT_TOO_LARGE', 'sound'],
  [`error: object ${'a'.repeat(40)}: hasDotgit: contains '.git'\nfatal: fsck error in packed object`, 'GIT_TREE_REFUSED', 'sound'],
  ['fatal: loose object abc (stored in objects/ab/c) is corrupt', 'GIT_CORRUPT', 'damaged'],
  ['error: object file objects/ab/c is empty', 'GIT_CORRUPT', 'damaged'],
  ['error: packfile ./objects/pack/pack-1.pack does not match index', 'GIT_CORRUPT', 'damaged'],
  ["fatal: not a git repository: '/data/mirrors/x/g1'", 'GIT_CORRUPT', 'damaged'],
  ['fatal: bad object refs/drover/fetched', 'GIT_CORRUPT', 'damaged'],
  ['error: http://h/x did not send all necessary objects', 'GIT_CORRUPT', 'suspect'],
  ['fatal: pack has 3 unresolved deltas', 'GIT_CORRUPT', 'suspect'],
  ['remote: error: object file objects/ab/c is empty\nfatal: the remote end hung up unexpectedly', 'GIT_CORRUPT', 'sound'],
  ['something new', 'GIT_FAILED', 'sound'],
] as const;

suite('F27 the failure of a git command', () => {
  for (const [stderr, code, mirror] of table) {
    test(`${stderr.split('\n', 1)[0]} is ${code}, the mirror ${mirror}`, () =>
      assert.deepEqual(classifyGitFailure(stderr), { code, mirror }));
  }
});
