import assert from 'node:assert/strict';
import test from 'node:test';

import { eventually } from './eventually.ts';

test('eventually returns what the probe returns once it stops throwing', async () => {
  let calls = 0;
  const got = await eventually(
    () => {
      calls += 1;
      if (calls < 3) throw new Error('not yet');
      return calls;
    },
    2_000,
    1,
  );
  assert.equal(got, 3);
});

test('eventually rethrows the last failure when the time is up', async () => {
  let calls = 0;
  const probe = (): never => {
    calls += 1;
    throw new Error(`attempt ${calls}`);
  };
  await assert.rejects(eventually(probe, 20, 5), (error: Error) => error.message === `attempt ${calls}` && calls > 1);
});

test('eventually gives up on a probe that never ends and aborts its signal', async () => {
  let seen: AbortSignal | undefined;
  const hang = (signal: AbortSignal): Promise<never> => {
    seen = signal;
    return new Promise(() => undefined);
  };
  await assert.rejects(eventually(hang, 20), /did not end within 20 ms/);
  assert.equal(seen?.aborted, true);
});
