// Runs commands against a real API over a seeded record, with what they print caught.

import { setTimeout as delay } from 'node:timers/promises';
import { openFixture } from '../../../hub/src/api/testdata/open-api.ts';
import type { Fixture } from '../../../hub/src/api/testdata/open-api.ts';
import { startApi } from '../../../hub/src/api/server-adapter.ts';
import { runCli } from '../cli.ts';
import { createClient } from '../client.ts';
import type { Context } from '../context.ts';
import { painter, plain } from '../format/paint.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Runner extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly url: string;
  run(...argv: readonly string[]): Promise<Ran>;
  runWith(over: Partial<Context>, ...argv: readonly string[]): Promise<Ran>;
}

/** Times are shown in UTC, by the hub's clock. */
export async function openRunner(...over: Parameters<typeof openFixture>): Promise<Runner> {
  process.env['TZ'] = 'UTC';
  const fixture = await openFixture(...over);
  const api = await startApi({ ...fixture.deps, port: 0 });
  async function runWith(changed: Partial<Context>, ...argv: readonly string[]): Promise<Ran> {
    let out = '';
    let err = '';
    let slept = 0;
    const code = await runCli(
      argv,
      {
        env: { DROVER_HUB: api.url },
        cwd: process.cwd(),
        out: (text) => void (out += text),
        err: (text) => void (err += text),
        columns: undefined,
        paint: plain,
        // Waiting passes on the clock that is shown, so that no test has to wait long.
        now: () => fixture.now + slept,
        sleep: async (ms) => {
          slept += ms;
          await delay(1);
        },
        signal: new AbortController().signal,
        connect: (url, token) => createClient({ url, token }),
        ...changed,
      },
      { hub: async (rest) => rest.length, agent: async (rest) => 10 + rest.length },
    );
    return { code, out, err };
  }
  return {
    fixture,
    url: api.url,
    run: (...argv) => runWith({}, ...argv),
    runWith,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

export const colorful = painter(true);
