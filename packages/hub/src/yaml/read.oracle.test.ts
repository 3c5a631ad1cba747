import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canonicalJson, DroverError, parseJson } from '@drover/contract';
import { readDocuments } from './read.ts';

interface Row {
  readonly yaml: string;
  readonly json?: string;
  readonly error?: string;
}

const rows = JSON.parse(readFileSync(new URL('./testdata/kubernetes-reading.json', import.meta.url), 'utf8')) as readonly Row[];

/** Inputs that Go reads and we refuse, because another reader of the same file reads something else. */
const STRICTER = [/reads differently everywhere/, /is no number of JSON/, /names no anchor/];

function read(yaml: string): string | DroverError {
  try {
    const { documents } = readDocuments(yaml, { file: 'row.yaml' });
    return documents.length === 0 ? 'null' : canonicalJson(documents[0]?.value);
  } catch (error) {
    assert.ok(error instanceof DroverError, String(error));
    return error;
  }
}

test(`B17 B18 every one of ${rows.length} recorded inputs has the value that Kubernetes reads, or is refused`, () => {
  const stricter: string[] = [];
  for (const { yaml, json } of rows) {
    const value = read(yaml);
    if (json === undefined) {
      assert.ok(value instanceof DroverError, `${JSON.stringify(yaml)} is refused by Go and read as ${String(value)}`);
    } else if (value instanceof DroverError) {
      assert.ok(
        STRICTER.some((reason) => reason.test(value.what)),
        `${JSON.stringify(yaml)}: ${value.message}, but Go reads ${json}`,
      );
      stricter.push(yaml);
    } else {
      assert.equal(value, canonicalJson(parseJson(json)), JSON.stringify(yaml));
    }
  }
  assert.ok(stricter.length < 20, JSON.stringify(stricter));
});
