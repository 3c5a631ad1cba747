import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SweepChoice } from './sweep.ts';
import { chooseSweep, SWEEP_AFTER_MS } from './sweep.ts';

const NOW = 10 * SWEEP_AFTER_MS;
const nothing: SweepChoice = { fade: [], keep: [], remove: [] };
const cases: readonly { name: string; since: number | null; referenced: boolean; want: Partial<SweepChoice> }[] = [
  { name: 'a referenced blob stays as it is', since: null, referenced: true, want: {} },
  { name: 'a blob that nothing names any more begins to fade', since: null, referenced: false, want: { fade: ['b'] } },
  { name: 'a fading blob stays for 24 hours', since: NOW - SWEEP_AFTER_MS + 1, referenced: false, want: {} },
  { name: 'after 24 hours it goes', since: NOW - SWEEP_AFTER_MS, referenced: false, want: { remove: ['b'] } },
  { name: 'a fading blob that is named again is kept, however long it faded', since: 0, referenced: true, want: { keep: ['b'] } },
  { name: 'F26 a clock that went back only makes blobs stay', since: NOW + SWEEP_AFTER_MS, referenced: false, want: {} },
];
for (const { name, since, referenced, want } of cases) {
  test(`chooseSweep: ${name}`, () => {
    assert.deepEqual(chooseSweep([{ name: 'b', unreferenced_since: since }], new Set(referenced ? ['b'] : []), NOW), {
      ...nothing,
      ...want,
    });
  });
}
