import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import type { SeenHead } from '#pull/types.ts';
import { judgeHead } from './desired.ts';
import { scriptBundle } from './scripted-source.ts';

const seen = (over: Partial<SeenHead> = {}): SeenHead => ({ fleet: 'fleet', epoch: 2, generation: 7, content: 'other', ...over });
const bundle = (epoch: number, generation: number, fleet = 'fleet'): ReturnType<typeof scriptBundle> =>
  scriptBundle('c', { epoch, generation, fleet }, []);

const verdicts: { name: string; given: ReturnType<typeof scriptBundle>; seen: SeenHead | undefined; want: string }[] = [
  { name: 'the first head is newer', given: bundle(1, 1), seen: undefined, want: 'newer' },
  { name: 'a higher generation is newer', given: bundle(2, 8), seen: seen(), want: 'newer' },
  { name: 'a higher epoch is newer, whatever its generation', given: bundle(3, 1), seen: seen(), want: 'newer' },
  { name: 'a lower generation is no information', given: bundle(2, 6), seen: seen(), want: 'old' },
  { name: 'a lower epoch is no information', given: bundle(1, 99), seen: seen(), want: 'old' },
  { name: 'the head on record is the same', given: bundle(2, 7), seen: seen({ content: bundle(2, 7).head.content }), want: 'same' },
];
for (const { name, given, seen: known, want } of verdicts) test(`I4 ${name}`, () => assert.equal(judgeHead(given, known, 'c'), want));

const refusals: { name: string; given: ReturnType<typeof scriptBundle>; cluster: string; code: string }[] = [
  { name: 'a second content for one generation', given: bundle(2, 7), cluster: 'c', code: 'HEAD_CONFLICT' },
  { name: 'a head of another fleet', given: bundle(9, 9, 'foreign'), cluster: 'c', code: 'HEAD_REJECTED' },
  { name: 'a head for another cluster', given: bundle(9, 9), cluster: 'd', code: 'HEAD_REJECTED' },
];
for (const { name, given, cluster, code } of refusals) {
  test(`I4 I6 ${name} is refused`, () =>
    assert.throws(
      () => judgeHead(given, seen(), cluster),
      (thrown) => thrown instanceof DroverError && thrown.code === code,
    ));
}
