/**
 * Records what Kubernetes' Go reader makes of the inputs below: `node record.ts`, with Go on PATH, writes
 * ../kubernetes-reading.json. Run it again when inputs are added.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const scalars = [
  ...['', '~', 'null', 'Null', 'NULL', 'nULL', 'y', 'Y', 'yes', 'Yes', 'YES', 'yEs', 'n', 'N', 'no', 'No', 'NO', 'on', 'On', 'ON', 'off', 'Off', 'OFF'],
  ...['true', 'True', 'TRUE', 'tRUE', 'false', 'False', 'FALSE', 't', 'f', 'none', 'nil'],
  ...['0', '00', '7', '007', '0400', '0644', '08', '0o7', '0O17', '0o8', '0x1F', '0XfF', '0x', '0b101', '0B11', '0b2', '-0b11', '0b+1', '0b-1', '+0b1'],
  ...['1_000', '_1', '1_', '0_7', '0x_1', '-1_0', '+12', '-0', '+0', '-', '+', '--1', '1-', '12:30', '12:30:45', '1:2', '190:20:30.15'],
  ...['1.5', '.5', '5.', '-.5', '+.5', '.', '..', '1.5.2', '1e3', '1E3', '1e+3', '1e-3', '1e', 'e3', '1.e3', '.1e1', '1_0.5', '0.1_5', '._5', '1e400', '-1e400', '1e-400'],
  ...['.inf', '.Inf', '-.INF', '+.inf', '.nan', '.NaN', 'inf', 'NaN', 'Infinity', '0x1p-2'],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775807', '9223372036854775808', '-9223372036854775808'],
  ...['-9223372036854775809', '18446744073709551615', '18446744073709551616', '+9223372036854775808', '0xFFFFFFFFFFFFFFFF', '0777777777777777777777', '01777777777777777777777'],
  ...['02777777777777777777777', '0b1111111111111111111111111111111111111111111111111111111111111111', '100000000000000000000', '1e21', '123456789012345678'],
  ...['2001-01-01', '2001-1-1', '2001-01-01T00:00:00Z', '2001-12-14t21:59:43.10-05:00', '2001-12-14 21:59:43.10', '2001-99-99', '20010101'],
  ...['100m', '1Gi', '0.5', '1e3Ki', '1.2.3', 'v1', '10.0.0.0/8', '80/tcp', '<<', '=', '"0644"', "'yes'", '"null"', "''", '""', '"\\u00e9\\x41\\n"'],
  ...['!!str 0644', '!!str yes', '!!int 0644', '!!int "12"', '!!int 1.5', '!!int x', '!!float 3', '!!float 9223372036854775807', '!!float "1.5"', '!!float x', '!!bool yes'],
  ...['!!bool 1', '!!null ~', '!!null ""', '!!null x', '!!timestamp 2001-01-01', '!!timestamp x', '!!binary aGVsbG8=', '!!binary "%"', '! 12', '!custom 12', '!!unknown 12'],
  ...['!<tag:yaml.org,2002:str> 12', '!<tag:yaml.org,2002:int> "12"'],
];

const documents = [
  ...scalars.flatMap((scalar) => [`a: ${scalar}`, `- ${scalar}`]),
  ...scalars.filter((scalar) => !/[.eE]/.test(scalar)).map((scalar) => `? ${scalar}\n: value`),
  ...['0.5', '0.99', '1.20', '1.10', '0.00001', '1234567.5', '12345.5', '-0.5', '.5', '1e3', '99999999999999999999'].map((key) => `${key}: value`),
  ...['|', '>'].flatMap((style) =>
    ['', '-', '+'].flatMap((chomp) =>
      ['  x', '  x\n', '  x ', '  x\n  ', '  x\n   ', '  x\n\n', '  x\n\n ', '', '\n', '  x\r\n', '  x\n  y', '  x\n   y', '  x\n\n\n  y\n\n', '    x\n   \n    y\n'].map(
        (body) => `a: ${style}${chomp}\n${body}`,
      ),
    ),
  ),
  'a: |2\n    x\n   y\n',
  'base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\n',
  'one: &one {a: 1}\ntwo: &two {a: 2, b: 2}\nuse:\n  <<: [*one, *two]\n  c: 3\n',
  'use:\n  <<: {a: 1}\n  b: 2\n',
  'use:\n  "<<": {a: 1}\n',
  'use:\n  <<: 1\n',
  'use:\n  <<: [1]\n',
  'a: &x 1\nb: *x\n',
  'a: &x [1, 2]\nb: *x\nc: [*x, *x]\n',
  'a: &x 1\nb: *y\n',
  'a: &x [*x]\n',
  'a: &x 1\nb: &x 2\nc: *x\n',
  'a: *x\nb: &x 1\n',
  'a: !!set {x, y}\n',
  'a: !custom {x: 1}\n',
  'a: !!map {x: 1}\n',
  '%TAG !k! tag:yaml.org,2002:\n---\na: !k!str 12\n',
  // flow collections, indented as their authors like
  'a:\n  b: [\n    x,\n    y\n  ]\n  c: 1\n',
  'a:\n  b: {\n    x: 1\n  }\n  c: 1\n',
  'a:\n  b: [\n    x\n]\nc: 1\n',
  'a:\n- b: [\n  x\n  ]\n- c\n',
  'args: [\n]\n',
  'a: {b: [\n1,\n2\n]}\nc: 3\n',
  'a:\n  b: "x\n  y"\n',
  'a: [x, y,]\n',
  'a: [x y, "z"]\n',
  'a: {x, y: 1}\n',
  'a: [b: c]\n',
  'a: [http://x/y:80, b]\n',
  '{"a": [1, 2.50, -0, 1E5, true, null], "b": {"c": 12345678901234567890}}',
  '{"a":"x","b":[]}',
  '[]',
  '{}',
  '"text"',
  'a: b # comment\n',
  'a: b# no comment\n',
  'a: "b" # comment\n',
  'a:   b   \n',
  'a: plain\n  goes on\n\n  and on\n',
  "a: 'it''s'\n",
  '\uFEFFa: 1\n',
  'a: 1\r\nb:\r\n- 2\r\n',
  'a: é 😀\n',
  '? a\n: b\n? c\n',
  'a:\n- b\n-\n- c: 1\n  d: 2\n',
  'a:\n  - - 1\n    - 2\n',
  '__proto__: {polluted: true}\nconstructor: 1\nprototype: 2\n',
];

const inputs = [...new Set(documents)];
const answers = JSON.parse(
  execFileSync('go', ['run', '.'], { cwd: import.meta.dirname, input: JSON.stringify(inputs), maxBuffer: 1 << 28 }).toString('utf8'),
) as { readonly json?: string; readonly error?: string }[];
const rows = inputs.map((yaml, index) => JSON.stringify({ yaml, ...answers[index] }));
writeFileSync(new URL('../kubernetes-reading.json', import.meta.url), `[\n${rows.join(',\n')}\n]\n`);
