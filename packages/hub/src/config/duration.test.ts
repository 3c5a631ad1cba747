import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';

const cases: readonly (readonly [string, number | undefined])[] = [
  ['1m', 60_000],
  ['60s', 60_000],
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['1h0m0s', 3_600_000],
  ['0', 0],
  ['0s', 0],
  ['', undefined],
  ['60', undefined],
  ['m', undefined],
  ['1d', undefined],
  ['-1m', undefined],
  ['1 m', undefined],
  ['1m ', undefined],
  ['1M', undefined],
  ['1m30', undefined],
  ['.5h', undefined],
];

for (const [text, ms] of cases)
  test(`"${text}" is ${ms === undefined ? 'no duration' : `${ms} ms`}`, () => assert.equal(parseDuration(text), ms));
