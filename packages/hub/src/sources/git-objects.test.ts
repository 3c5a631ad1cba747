import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { collidingNames, isLfsPointer, parseCommit, parseTree } from './git-objects.ts';

const OID = Buffer.alloc(20, 0xab);
const tree = (...entries: readonly (readonly [mode: string, name: string | Buffer])[]): Buffer =>
  Buffer.concat(entries.flatMap(([mode, name]) => [Buffer.from(`${mode} `), Buffer.from(name as string), Buffer.from([0]), OID]));

suite('a raw tree', () => {
  test('entries come typed, in order of their names', () => {
    const parsed = parseTree(
      tree(['40000', 'b'], ['100644', 'b.yaml'], ['100755', 'a'], ['120000', 'link'], ['160000', 'sub'], ['040000', 'old']),
    );
    assert.deepEqual(
      parsed?.entries.map(({ name, type }) => `${name} ${type}`),
      ['a file', 'b directory', 'b.yaml file', 'link symlink', 'old directory', 'sub submodule'],
    );
    assert.deepEqual([parsed?.entries[0]?.oid, parsed?.refused], ['ab'.repeat(20), []]);
  });

  test('bytes that are no tree are told from an empty tree', () => {
    assert.deepEqual(parseTree(Buffer.alloc(0)), { entries: [], refused: [] });
    for (const bytes of ['100644', '100644 a', '100644 a\0short', 'no tree at all'])
      assert.equal(parseTree(Buffer.from(bytes)), undefined, bytes);
    const whole = tree(['100644', 'a'], ['100644', 'b']);
    assert.equal(parseTree(whole.subarray(0, whole.length - 1)), undefined);
  });

  const refused: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['..', '..', /climbs/],
    ['.', '.', /climbs/],
    ['an empty name', '', /empty/],
    ['.git', '.git', /alias of \.git/],
    ['.GIT', '.GIT', /alias/],
    ['.git with a dot behind', '.git.', /alias/],
    ['.git with a blank behind', '.git ', /alias/],
    ['.git as a stream of NTFS', '.git::$INDEX_ALLOCATION', /alias/],
    ['the short name of .git', 'GIT~1', /alias/],
    ['.git with a code point that HFS+ leaves out', '.g\u200cit', /alias/],
    ['a slash', 'a/b', /slash/],
    ['a backslash', 'a\\..\\b', /slash/],
    ['a newline', 'a\nb', /control/],
    ['a delete character', 'a\u007f', /control/],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff]), /UTF-8/],
  ];
  for (const [title, name, why] of refused) {
    test(`B33 ${title} is refused`, () => {
      const parsed = parseTree(tree(['100644', 'good'], ['100644', name]));
      assert.equal(parsed?.refused.length, 1);
      assert.match(parsed.refused[0]?.why ?? '', why);
      assert.ok(!/[\n\u007f]/.test(parsed.refused[0]?.name ?? ''));
      assert.deepEqual(
        parsed.entries.map((entry) => entry.name),
        ['good'],
      );
    });
  }

  test('B33 an unknown mode is refused', () => {
    assert.match(parseTree(tree(['100000', 'a']))?.refused[0]?.why ?? '', /mode/);
  });

  test('names that only look dangerous are accepted', () => {
    const names = ['...', '.gitignore', '.github', '.git-keep', 'git', 'git~2', 'a b', 'ü', '日本', '-rf', 'con', '$(id)'];
    assert.deepEqual(parseTree(tree(...names.map((name) => ['100644', name] as const)))?.refused, []);
  });

  test('B33 names that differ only in letter case or normalisation collide', () => {
    const of = (...names: string[]): readonly string[] | undefined =>
      collidingNames(names.map((name) => ({ name, type: 'file', oid: '' })));
    assert.deepEqual(of('README', 'a', 'readme'), ['README', 'readme']);
    assert.deepEqual(of('\u00fc', 'u\u0308'), ['\u00fc', 'u\u0308']);
    assert.equal(of('a', 'b', 'a.yaml'), undefined);
  });
});

suite('a raw commit', () => {
  const sha = 'c'.repeat(40);
  const headers = `tree ${'a'.repeat(40)}\nparent ${'b'.repeat(40)}\nauthor Jane Doe <jane@example.com> 1700000000 +0100\n`;
  const raw = `${headers}committer CI <ci@example.com> 1700000100 +0000\ngpgsig -----BEGIN\n parent ${'d'.repeat(40)}\n -----END\n\nSubject line\n\nparent of nothing\n`;

  test('tree, parents, author, the committer’s time and the subject are read', () => {
    assert.deepEqual(parseCommit(sha, Buffer.from(raw)), {
      commit: { sha, subject: 'Subject line', author: 'Jane Doe <jane@example.com>', time: 1_700_000_100_000 },
      tree: 'a'.repeat(40),
      parents: ['b'.repeat(40)],
    });
  });

  test('control characters and bidirectional overrides are taken out of what is shown', () => {
    const parsed = parseCommit(sha, Buffer.from(raw.replace('Subject line', 'a\u001b[31mred\u202e').replace('Jane', 'J\u0007ne')));
    assert.deepEqual([parsed?.commit.subject, parsed?.commit.author], ['a [31mred', 'J ne Doe <jane@example.com>']);
  });

  test('what has no tree is no commit', () => {
    assert.equal(parseCommit(sha, Buffer.from('')), undefined);
    assert.equal(parseCommit(sha, Buffer.from('tree x\n\nmessage')), undefined);
  });
});

test('B32 a pointer of git-lfs is told from content', () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n';
  assert.equal(isLfsPointer(Buffer.from(pointer)), true);
  assert.equal(isLfsPointer(Buffer.from(`# ${pointer}`)), false);
  assert.equal(isLfsPointer(Buffer.from('')), false);
});
