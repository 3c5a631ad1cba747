import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalJson, DroverError } from '@drover/contract';
import { serverPath, tempDir } from '@drover/testbed';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from './limits.ts';
import { readDocuments, surveyDocuments } from './read.ts';
import type { ReadOptions, YamlDocument } from './read.ts';

const options: ReadOptions = { file: 'web.yaml' };

function values(input: string | Uint8Array, extra: Partial<ReadOptions> = {}): readonly unknown[] {
  return readDocuments(input, { ...options, ...extra }).documents.map(({ value }) => value);
}

function only(input: string): YamlDocument {
  const { documents } = readDocuments(input, options);
  assert.equal(documents.length, 1);
  return documents[0] as YamlDocument;
}

function refusal(input: string | Uint8Array, extra: Partial<ReadOptions> = {}): DroverError {
  try {
    readDocuments(input, { ...options, ...extra });
  } catch (error) {
    assert.ok(error instanceof DroverError, String(error));
    assert.equal(error.code, 'YAML_INVALID');
    assert.equal(error.position?.file, 'web.yaml');
    return error;
  }
  return assert.fail(`read without an error: ${JSON.stringify(String(input).slice(0, 200))}`);
}

function refused(input: string | Uint8Array, what: RegExp, line?: number, column?: number, extra: Partial<ReadOptions> = {}): void {
  const error = refusal(input, extra);
  assert.match(error.what, what);
  if (line !== undefined) assert.deepEqual([error.position?.line, error.position?.column], [line, column], error.message);
}

test('input without content gives zero documents', () => {
  for (const input of ['', '\n', '# note\n', '---\n', '---\n# note\n---\nnull\n--- ~\n', '\uFEFF', '\uFEFF# note'])
    assert.deepEqual(values(input), [], input);
});

test('each document knows the line where its content starts', () => {
  const { documents } = readDocuments('# head\na: 1\n---\n\n# note\nb: 2\n---\n---\n- 3\n...\nc: 4\n', options);
  assert.deepEqual(
    documents.map(({ value, line }) => [value, line]),
    [
      [{ a: 1 }, 2],
      [{ b: 2 }, 6],
      [[3], 9],
      [{ c: 4 }, 11],
    ],
  );
});

test('a line --- inside a block scalar that is indented belongs to the scalar', () => {
  assert.deepEqual(values('a: |\n  x\n  ---\n  y\n'), [{ a: 'x\n---\ny\n' }]);
});

test('a directive stays with its document', () => {
  assert.deepEqual(values('a: 1\n...\n# note\n%YAML 1.2\n---\nb: 2\n'), [{ a: 1 }, { b: 2 }]);
  assert.deepEqual(values('# note\n%YAML 1.1\n%TAG !k! tag:yaml.org,2002:\n---\na: !k!str 1\n---\nb: 2\n'), [{ a: '1' }, { b: 2 }]);
});

test('positions point at values, keys and the texts their author wrote', () => {
  const document = only(
    'kind: Delivery\nspec:\n  interval: 1m # note\n  vars: { country: NO }\n  list:\n  - a: 1\n  - "b": *x\n'.replace('*x', "'y'"),
  );
  assert.deepEqual(document.positionOf(['spec', 'interval']), { line: 3, column: 13 });
  assert.deepEqual(document.keyPositionOf(['spec', 'interval']), { line: 3, column: 3 });
  assert.deepEqual(document.positionOf(['spec', 'list', 1, 'b']), { line: 7, column: 10 });
  assert.deepEqual(document.keyPositionOf(['spec', 'list', 1, 'b']), { line: 7, column: 5 });
  assert.deepEqual(document.positionOf(['spec', 'list', 1]), { line: 7, column: 5 });
  assert.deepEqual(document.positionOf([]), { line: 1, column: 1 });
  assert.equal(document.textOf(['spec', 'vars', 'country']), 'NO');
  assert.equal(document.textOf(['spec', 'vars']), undefined);
  assert.equal(document.textOf(['spec', 'none']), undefined);
});

test('the position of what is absent is the nearest value above it', () => {
  const document = only('# note\nspec:\n  a: 1\n');
  assert.deepEqual(document.positionOf(['spec', 'b', 'c']), { line: 3, column: 3 });
  assert.deepEqual(document.keyPositionOf(['spec', 'b']), { line: 3, column: 3 });
});

test('positions count in the whole file, in characters, through aliases, merges and collections that were indented for the parser', () => {
  const text = 'a: 1\n---\nx: &x { "é😀": 1, deep: 2 }\ny:\n  <<: *x\n  own: [\n    1\n  ]\nz: [*x]\nend: 1\n';
  const document = readDocuments(text, options).documents[1] as YamlDocument;
  assert.deepEqual(document.positionOf(['x', 'deep']), { line: 3, column: 24 });
  assert.deepEqual(document.positionOf(['y', 'deep']), { line: 3, column: 24 });
  assert.deepEqual(document.positionOf(['z', 0, 'deep']), { line: 3, column: 24 });
  assert.deepEqual(document.positionOf(['y', 'own', 0]), { line: 7, column: 5 });
  assert.deepEqual(document.keyPositionOf(['end']), { line: 10, column: 1 });
});

test('a survey reads the good documents and reports the others', () => {
  const { documents, problems } = surveyDocuments('a: 1\n---\nb: [\n---\nc: 3\n---\nd: 1\nd: 2\n', options);
  assert.deepEqual(
    documents.map(({ value }) => value),
    [{ a: 1 }, { c: 3 }],
  );
  assert.deepEqual(
    problems.map(({ position }) => position?.line),
    [4, 8],
  );
});

test('B12 aliases are counted, and what they stand for', () => {
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 12; level++) bomb.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}x]`);
  refused(bomb.join('\n'), /maxAliasedNodes/);
  refused(`a: &a 1\nb: [${'*a, '.repeat(10_001)}]`, /maxAliases/);
  refused('a: &a [*a]', /\*a would contain itself/, 1, 8);
  refused('a: &a {b: {<<: *a}}', /\*a would contain itself/);
  refused('a: *b', /names no anchor/, 1, 4);
});

test('B12 merged keys are counted', () => {
  const keys = Array.from({ length: 1000 }, (_, index) => `k${index}: 1`).join(', ');
  refused(`a: &a {${keys}}\nb:\n${'- <<: *a\n'.repeat(60)}`, /maxMergedKeys/);
});

test('B13 depth, size and number of documents have caps with names', () => {
  refused('['.repeat(10_000), /maxDepth/);
  refused(`${'['.repeat(10_000)}${']'.repeat(10_000)}`, /maxDepth/);
  refused('- '.repeat(10_000), /maxDepth/);
  refused('{a: '.repeat(10_000), /maxDepth/);
  refused('? '.repeat(10_000), /maxDepth/);
  refused(Array.from({ length: 10_000 }, (_, level) => `${' '.repeat(Math.min(level, 300))}k:`).join('\n'), /maxDepth/);
  refused('a: 1\n---\n'.repeat(100_000), /maxDocuments/);
  refused(`a: ${'x'.repeat(DEFAULT_LIMITS.maxDocumentBytes)}`, /maxDocumentBytes/);
  refused(Buffer.alloc(DEFAULT_LIMITS.maxBytes + 1, 'x'), /maxBytes/);
  refused('a: 1', /maxBytes/, undefined, undefined, { limits: { maxBytes: 3 } });
});

test('B13 a depth that real objects have is read', () => {
  const depth = 90;
  assert.equal(values(`${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`).length, 1);
});

test('B14 duplicate map keys are rejected with both lines', () => {
  refused('a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n', /key "c" is written twice, first in line 3/, 5, 3);
  refused('x: 1\n---\na: 1\n"a": 2\n', /first in line 3/, 4, 1);
  refused('{"a": 1, "a": 2}', /key "a" is written twice, first in line 1/, 1, 10);
  refused('1: a\n"1": b\n', /key "1"/);
  refused('a:\n  <<: {b: 1}\n  <<: {c: 1}\n', /key "<<" is written twice, first in line 2/, 3, 3);
});

test('a merge below a key that it would overwrite is rejected, as Go and kustomize disagree', () => {
  refused('a:\n  b: 1\n  <<: {b: 2}\n', /<< would overwrite key "b" of line 2/, 3, 3);
});

test('B15 keys that mean something to JavaScript are plain data', () => {
  const { value } = only('__proto__: {polluted: true}\nconstructor: {prototype: 1}\nprototype: 2\nm:\n  <<: {__proto__: 3}\n');
  assert.equal(canonicalJson(value), '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"m":{"__proto__":3},"prototype":2}');
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('B16 byte order mark and CRLF are accepted', () => {
  assert.deepEqual(values('\uFEFFa: 1\r\nb:\r\n- |\r\n  x\r\n  y\r\n---\r\nc: 2\r\n'), [{ a: 1, b: ['x\ny\n'] }, { c: 2 }]);
  assert.deepEqual(values(Buffer.from('\uFEFFa: é\r\n')), [{ a: 'é' }]);
  assert.deepEqual(values('a: 1\n\uFEFF---\nb: 2\n'), [{ a: 1 }, { b: 2 }]);
});

test('B16 tabs as indentation, NUL and invalid UTF-8 are rejected with the byte offset', () => {
  refused('é: 1\na:\n\tb: 1\n', /tab .*\(byte 9\)/, 3, 1);
  refused('\uFEFFa:\n  b:\n  \t- 1\n', /tab .*\(byte 13\)/, 3, 3);
  refused('a: é\0', /NUL character at byte 5/, 1, 5);
  refused(Buffer.concat([Buffer.from('a: é\nb: "\uFFFD'), Buffer.from([0xff, 0x22])]), /byte 13 is no UTF-8/, 2, 6);
  refused(Buffer.from([0xff, 0xfe, 0x61, 0x00]), /byte 0 is no UTF-8/);
  refused('a: "\uD800"', /half a character/);
  refused('a: 1\n---\n\uFEFFb: 1\n', /byte order mark in the middle/, 3, 1);
  refused('a: 1\nb: x\u2028y\n', /U\+2028 \(byte 9\)/, 2, 5);
});

test('B16 tabs are fine where they do not indent', () => {
  assert.deepEqual(values('a:\tb\t# note\nc: "x\ty"\nd: |\n  \tx\n'), [{ a: 'b', c: 'x\ty', d: '\tx\n' }]);
});

test('B17 a file mode stays octal', () => {
  assert.deepEqual(values('defaultMode: 0400\nmode: "0400"\nother: 0o400\n'), [{ defaultMode: 256, mode: '0400', other: 256 }]);
});

test('B18 integers are exact up to 64 bits, quantities stay text', () => {
  const { value } = only('a: 9007199254740993\nb: -9223372036854775808\nc: 18446744073709551615\nd: 100m\ne: 1e3\nf: 0x20000000000001\n');
  assert.equal(
    canonicalJson(value),
    '{"a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615,"d":"100m","e":1000,"f":9007199254740993}',
  );
});

test('B18 JSON files are read exactly, with tabs and escaped slashes', () => {
  const text = '{\n\t"a": [1, 2.50, 1E5, -0, 12345678901234567890],\n\t"b": "\\/\\u0041\\ud83d\\ude00\\t",\n\t"c": "x\u2028y"\n}\n';
  assert.equal(canonicalJson(only(text).value), '{"a":[1,2.5,100000,0,12345678901234567890],"b":"/A😀\\t","c":"x\u2028y"}');
  assert.deepEqual(only(text).positionOf(['b']), { line: 3, column: 7 });
});

test('B18 what JSON cannot say is refused', () => {
  refused('a: .inf\n', /no number of JSON/, 1, 4);
  refused('{"a": 1e999}', /larger than a number/);
});

test('an error in a bracket that was never closed points at the line that was not meant to be inside', () => {
  refused('a:\n  b: [\n  x: 1\n  y: 2\n', /was it closed/, 3, 3);
  refused('a:\n  b: [\n    1\n  ]\n  c: d: e\n', /": "/, 5, 7);
});

test('many loosely indented brackets are read', () => {
  const item = '- args: [\n    "x"\n  ]\n';
  assert.equal((values(item.repeat(100))[0] as unknown[]).length, 100);
});

test('mutilated documents are read or refused, never anything else', () => {
  const seed = readFileSync(new URL('./testdata/kubernetes-reading.json', import.meta.url), 'utf8').slice(0, 4000);
  const part = fc.constantFrom(
    '- ',
    ': ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    "'",
    '|',
    '>',
    '&a ',
    '*a',
    '!!int ',
    '? ',
    '<<: ',
    '#',
    '---',
    '%',
    '\t',
    '\0',
    '\u2028',
    seed,
    'x',
    '0',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      try {
        for (const document of readDocuments(parts.join(''), options).documents) canonicalJson(document.value);
      } catch (error) {
        assert.ok(error instanceof DroverError && error.code === 'YAML_INVALID', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('every JSON value is read back as it was, whatever its indentation', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2, '\t'), (value, indent) => {
      const text = JSON.stringify({ value }, null, indent);
      assert.equal(canonicalJson(values(text)[0]), canonicalJson(JSON.parse(text)));
    }),
  );
});

test('every string that kustomize prints is the string it was given', async () => {
  await using directory = await tempDir('kustomize-output');
  const words = [
    '',
    'yes',
    'on',
    'n',
    '~',
    'null',
    '0644',
    '0o7',
    '1_000',
    '12:30:45',
    '1e3',
    '.inf',
    '2001-01-01',
    '=',
    '<<',
    '-',
    'a: b',
    ' x',
    'x ',
    '\n',
    'a\n\nb\n',
    '\tx',
    '---',
    '%a',
  ];
  const text = fc.array(
    fc.constantFrom(...words, 'word ', '\n', ' ', '  ', ': ', '#', '"', "'", '\\', '|', '>', '😀', '\u00a0', '\r', 'x'.repeat(90)),
    { maxLength: 12 },
  );
  const strings = [...words, ...fc.sample(text, 500).map((parts) => parts.join(''))];
  const data = Object.fromEntries(strings.map((value, index) => [`k${index}`, value]));
  writeFileSync(join(directory.path, 'map.yaml'), JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data }));
  writeFileSync(join(directory.path, 'kustomization.yaml'), 'resources: [map.yaml]\n');
  const output = execFileSync(serverPath('kustomize'), ['build', directory.path]);
  const [map] = values(output, { dialect: 'kustomize' }) as [{ readonly data: Readonly<Record<string, string>> }];
  for (const [key, value] of Object.entries(data)) assert.equal(map.data[key], value);
});

test('500 Deployments are read in well under 200 ms', () => {
  const one = readFileSync(new URL('./testdata/deployment.yaml', import.meta.url), 'utf8');
  const text = Array.from({ length: 500 }, (_, index) => one.replaceAll('NAME', `web-${index}`)).join('---\n');
  values(text);
  const best = Math.min(
    ...Array.from({ length: 3 }, () => {
      const start = performance.now();
      values(text);
      return performance.now() - start;
    }),
  );
  assert.ok(best < 400, `${best} ms for ${text.length} bytes`);
});
