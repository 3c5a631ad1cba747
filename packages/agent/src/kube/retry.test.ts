import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import type { Asked, Failure, Outcome } from './failure.ts';
import type { RetryVerdict } from './retry.ts';
import { MAX_ATTEMPTS, retryVerdict } from './retry.ts';

const asked = (verb: Asked['verb']): Asked => ({ verb, subject: 'ConfigMap shop/web', resource: 'configmaps', secret: false });
const failure = (outcome: Outcome, retryAfterMs?: number): Failure => ({
  error: new DroverError('KUBE_BUSY', 'ConfigMap shop/web', 'busy'),
  outcome,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

const cases: readonly [name: string, verb: Asked['verb'], failure: Failure, attempt: number, want: RetryVerdict['type']][] = [
  ['a final answer is the answer', 'get', failure('Final'), 1, 'give-up'],
  ['F15 an apply with an unknown outcome is sent again', 'apply', failure('Lost'), 1, 'again'],
  ['F15 a read with an unknown outcome is sent again', 'list', failure('Lost'), 1, 'again'],
  ['F15 a DELETE with an unknown outcome is never sent again', 'delete', failure('Lost'), 1, 'unknown'],
  ['F15 a DELETE that a failing server may have begun is never sent again', 'delete', failure('Busy'), 1, 'unknown'],
  ['F15 a DELETE that the server did not begin is sent again', 'delete', failure('Refused'), 1, 'again'],
  ['a create with an unknown outcome is not sent again', 'create', failure('Lost'), 1, 'unknown'],
  ['a replace with an unknown outcome is not sent again', 'update', failure('Lost'), 1, 'unknown'],
  ['F15 a busy server is asked again', 'apply', failure('Busy'), MAX_ATTEMPTS - 1, 'again'],
  ['F15 tries end', 'apply', failure('Busy'), MAX_ATTEMPTS, 'give-up'],
  ['F15 a wait beyond the ceiling is left to the caller', 'apply', failure('Refused', 60_000), 1, 'give-up'],
  ['a watch is opened again by whoever follows it', 'watch', failure('Lost'), 1, 'give-up'],
];
for (const [name, verb, given, attempt, want] of cases) {
  test(`retryVerdict: ${name}`, () => assert.equal(retryVerdict(asked(verb), given, attempt, 0.5).type, want));
}

test('F15 the wait is what the server asked for, plus full jitter that doubles up to a ceiling', () => {
  const wait = (attempt: number, fraction: number, retryAfterMs?: number): number => {
    const verdict = retryVerdict(asked('get'), failure('Refused', retryAfterMs), attempt, fraction);
    assert.equal(verdict.type, 'again');
    return verdict.type === 'again' ? verdict.afterMs : NaN;
  };
  assert.equal(wait(1, 0), 0);
  assert.equal(wait(1, 0.5), 50);
  assert.equal(wait(3, 0.5), 200);
  assert.equal(wait(1, 0, 3000), 3000);
  assert.equal(wait(2, 0.5, 3000), 3100);
});
