import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { compileIgnores } from './ignore-rules.ts';

const compile = (text: string) => compileIgnores([{ file: '.droverignore', text }]);

suite('ignore rules', () => {
  test('gitignore syntax decides, with letter case, and later files win', () => {
    const ignores = compileIgnores([
      { file: '.sourceignore', text: '# comment\r\n\r\n*.md\r\ndocs/\n/only-root\n' },
      { file: 'spec.ignore', text: '!KEEP.md\nwip\n' },
    ]);
    const hidden = (path: string, directory = false): boolean | undefined => ignores?.(path, directory);
    assert.deepEqual([hidden('a.md'), hidden('x/a.md'), hidden('A.MD'), hidden('KEEP.md')], [true, true, false, false]);
    assert.deepEqual([hidden('docs', true), hidden('docs'), hidden('x/docs', true)], [true, false, true]);
    assert.deepEqual([hidden('only-root'), hidden('x/only-root'), hidden('x/wip')], [true, false, true]);
  });

  test('no rule, no matcher', () => {
    assert.equal(compile('# nothing\n\n  \n'), undefined);
    assert.equal(compileIgnores([]), undefined);
  });

  const refused = [
    ['too many stars between slashes', 'a*b*c*d*e'],
    ['too many double stars', '**/a/**/b/**/c/**/d'],
    ['a long rule', 'x'.repeat(600)],
    ['too many rules', 'x\n'.repeat(1001)],
  ] as const;
  for (const [title, text] of refused) {
    test(`T9 ${title}: refused with its line`, () => {
      assert.throws(
        () => compile(`fine\n${text}`),
        (error: { code: string; position: { file: string; line: number } }) => {
          assert.equal(error.code, 'GIT_TREE_REFUSED');
          assert.equal(error.position.file, '.droverignore');
          assert.ok(error.position.line >= 2);
          return true;
        },
      );
    });
  }

  test('T9 the costliest rule that is accepted is matched in little time', () => {
    const ignores = compile('**/*a*a*b\n');
    const path = `${'a'.repeat(255)}/${'a'.repeat(255)}/${'a'.repeat(255)}`;
    const started = performance.now();
    assert.equal(ignores?.(path, false), false);
    assert.ok(performance.now() - started < 2_000);
  });
});
