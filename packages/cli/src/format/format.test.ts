import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocuments } from '../../../hub/src/yaml/read.ts';
import { clean, cut, pad, widthOf, wrap } from './clean.ts';
import { plain } from './paint.ts';
import { change, counted, inNamespace, shortRevision } from './revision.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';
import { age, clockTime, duration } from './time.ts';
import { toYaml } from './yaml.ts';

process.env['TZ'] = 'UTC';
const NOW = Date.UTC(2026, 10, 20, 22, 41, 12);

const ages: readonly (readonly [ms: number, want: string])[] = [
  [-5, '0s'],
  [0, '0s'],
  [8_999, '8s'],
  [60_000, '1m'],
  [3_599_999, '59m'],
  [3_600_000, '1h'],
  [47 * 3_600_000, '47h'],
  [48 * 3_600_000, '2d'],
];
for (const [ms, want] of ages) test(`age of ${ms} ms is ${want}`, () => assert.equal(age(ms), want));

test('duration has a space before its unit', () => assert.equal(duration(8000), '8 s'));

const times: readonly (readonly [time: number, want: string])[] = [
  [NOW, '22:41:12'],
  [NOW - 3 * 86_400_000, 'Tue 22:41:12'],
  [NOW - 20 * 86_400_000, '31 Oct 22:41:12'],
  [NOW - 400 * 86_400_000, '16 Oct 2025 22:41'],
  [NOW + 86_400_000, 'Sat 22:41:12'],
];
for (const [time, want] of times) test(`clockTime shows ${want}`, () => assert.equal(clockTime(time, NOW), want));

test('clean makes text of others harmless, and keeps what is text', () => {
  assert.equal(clean('a\n\tb\r\nc'), 'a b c');
  assert.equal(clean('\u001b[31mred\u0000\u202e'), '\ufffd[31mred\ufffd\ufffd');
  assert.equal(clean('größe 日本 ok'), 'größe 日本 ok');
});

test('widthOf counts columns of a terminal', () => {
  assert.equal(widthOf('abc'), 3);
  assert.equal(widthOf('日本'), 4);
  assert.equal(widthOf('e\u0301'), 1);
});

test('cut and pad keep to columns', () => {
  assert.equal(cut('abcdef', 4), 'abc…');
  assert.equal(cut('日本語', 4), '日…');
  assert.equal(cut('abc', 3), 'abc');
  assert.equal(cut('abc', 0), '');
  assert.equal(pad('日', 4), '日  ');
  assert.equal(pad('7', 3, 'right'), '  7');
});

test('wrap breaks at spaces, and gives a long word its own line', () => {
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('x averylongword y', 5), ['x', 'averylongword', 'y']);
  assert.deepEqual(wrap('', 5), ['']);
});

interface Row {
  readonly a: string;
  readonly n: number;
  readonly m: string;
}
const columns: readonly Column<Row>[] = [
  { title: 'A', cell: (row) => row.a },
  { title: 'N', cell: (row) => String(row.n), align: 'right' },
  { title: 'W', cell: () => 'wide', wide: true },
  { title: 'MESSAGE', cell: (row) => row.m, flexible: true },
];
const rows: readonly Row[] = [
  { a: 'first', n: 1, m: 'a message that is rather long' },
  { a: 'x', n: 100, m: '' },
];

test('a table is as wide as its cells, and cuts the flexible column where it has to', () => {
  const options = { width: 100, wide: false, paint: plain };
  assert.equal(table(columns, rows, options), 'A        N  MESSAGE\nfirst    1  a message that is rather long\nx      100');
  assert.equal(table(columns, rows, { ...options, width: 26 }), 'A        N  MESSAGE\nfirst    1  a message tha…\nx      100');
});

test('a wide table shows every column and cuts nothing', () => {
  const text = table(columns, rows, { width: 20, wide: true, paint: plain });
  assert.equal(text, 'A        N  W     MESSAGE\nfirst    1  wide  a message that is rather long\nx      100  wide');
});

test('a last column that wraps goes on below', () => {
  const wrapping = columns.map((column) => (column.title === 'MESSAGE' ? { ...column, wraps: true } : column));
  const text = table(wrapping, rows, { width: 26, wide: false, paint: plain });
  assert.equal(text, 'A        N  MESSAGE\nfirst    1  a message that\n            is rather long\nx      100');
});

test('revisions, counts and changes are short', () => {
  assert.equal(shortRevision(`main@sha1:${'a'.repeat(40)}`), 'main@sha1:aaaaaaa');
  assert.equal(shortRevision(null), '-');
  assert.equal(counted(1, 'unit'), '1 unit');
  assert.equal(counted(0, 'unit'), '0 units');
  assert.equal(change('a', 'b'), 'a -> b');
  assert.equal(change(null, 'b'), 'nothing -> b');
  assert.equal(change('a', 'a'), 'a');
  assert.equal(change(null, null), '-');
  assert.equal(inNamespace('drover', 'x'), 'x');
  assert.equal(inNamespace('team-a', 'x'), 'team-a/x');
});

const values: readonly unknown[] = [
  {},
  { a: [] },
  { a: {}, b: null, c: true, d: 1.5, e: -3 },
  { list: [1, 'two', [3, [4]], { five: 5, six: { seven: [7] } }] },
  {
    texts: [
      'true',
      'Yes',
      'null',
      '~',
      '1',
      '1e3',
      '0x1',
      '2026-11-20',
      '12:30',
      '- a',
      '#x',
      'a: b',
      'a #b',
      ' x',
      'x ',
      '',
      '"',
      "'",
      '*a',
      '&a',
      '!x',
      '%',
      '@',
      '`',
      'a\nb',
      '\u0007',
      'ümlaut',
      'plain text',
      '/path/to.file',
      '-',
      '?',
      '.5',
      '+1',
      '_',
    ],
  },
  { 'key with: colon': 1, '': 2, '1': 3, no: 4 },
  [{ a: 1 }, [], {}],
  'text',
  7,
];
for (const value of values) {
  test(`toYaml of ${JSON.stringify(value).slice(0, 60)} is read back as it was`, () =>
    assert.equal(JSON.stringify(readDocuments(toYaml(value), { file: 'x.yaml' }).documents[0]?.value), JSON.stringify(value)));
}

test('toYaml keeps the digits of big integers', () => assert.equal(toYaml({ count: 9007199254740993n }), 'count: 9007199254740993\n'));
