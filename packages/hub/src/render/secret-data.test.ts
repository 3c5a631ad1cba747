import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@drover/contract';
import { normalConfigMap, normalSecret } from './secret-data.ts';

const CANARY = 'canary-7f3a';

const secrets: readonly { readonly name: string; readonly given: JsonObject; readonly want: JsonObject | RegExp }[] = [
  { name: 'stringData becomes data', given: { stringData: { a: 'ü', b: null } }, want: { data: { a: 'w7w=', b: '' } } },
  {
    name: 'stringData overrides data',
    given: { data: { a: 'eA==', b: 'eQ==' }, stringData: { a: 'z' } },
    want: { data: { a: 'eg==', b: 'eQ==' } },
  },
  { name: 'line breaks in base64 are taken out', given: { data: { a: 'eHh4\neHh4\r\n' } }, want: { data: { a: 'eHh4eHh4' } } },
  { name: 'other fields stay', given: { type: 'Opaque', immutable: true }, want: { type: 'Opaque', immutable: true } },
  { name: 'no data is no data', given: { data: null }, want: { data: {} } },
  {
    name: 'keys with a name of JavaScript stay keys',
    given: { stringData: JSON.parse('{"__proto__":"x"}') as JsonObject },
    want: { data: JSON.parse('{"__proto__":"eA=="}') as JsonObject },
  },
  {
    name: 'B21 data that is no base64 is named by key, never shown',
    given: { data: { password: CANARY } },
    want: /^data\.password is not base64/,
  },
  { name: 'B21 base64 of the wrong length', given: { data: { password: 'abc' } }, want: /^data\.password is not base64/ },
  {
    name: "B21 base64 with stray bits is the API server's to judge",
    given: { data: { password: 'YR==' } },
    want: { data: { password: 'YR==' } },
  },
  { name: 'B21 stringData that is no text', given: { stringData: { port: 8080 } }, want: /^stringData\.port must be text/ },
  { name: 'B21 data that is a list', given: { data: [CANARY] }, want: /^data must be a mapping/ },
  { name: 'B21 a key with a slash', given: { data: { 'a/b': CANARY } }, want: /^data: key "a\/b"/ },
];
for (const { name, given, want } of secrets) {
  test(name.startsWith('B') ? name : `Secret: ${name}`, () => {
    const result = normalSecret(given);
    if (!(want instanceof RegExp)) assert.deepEqual(result, { value: want });
    else {
      assert.ok('fault' in result);
      assert.match(result.fault, want);
      assert.ok(!result.fault.includes(CANARY));
    }
  });
}

test('B21 a ConfigMap holds text in data and base64 in binaryData', () => {
  assert.deepEqual(normalConfigMap({ data: { a: 'x' }, binaryData: { b: 'eA==' } }), {
    value: { data: { a: 'x' }, binaryData: { b: 'eA==' } },
  });
  assert.deepEqual(normalConfigMap({ binaryData: { b: CANARY } }), { fault: 'binaryData.b is not base64' });
  assert.deepEqual(normalConfigMap({ data: { port: 8080 } }), { fault: 'data.port must be text; write it in quotes' });
});
