import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { test } from 'node:test';
import { clock, createEffect } from './ports-adapter.ts';

const MODULE = JSON.stringify(new URL('./ports-adapter.ts', import.meta.url).href);

async function run(body: string): Promise<{ readonly signal: string | null; readonly output: string }> {
  const code = `import { createEffect, createLogger } from ${MODULE}; import { DroverError } from '@drover/contract'; ${body}`;
  const child = spawn(execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
    cwd: new URL('.', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { signal, output };
}
const STEPS = `for (const n of [1, 2, 3]) await effect('apply', async () => void process.stdout.write(String(n)));`;

const crashes: readonly { readonly at: string; readonly done: string; readonly dies: boolean }[] = [
  { at: 'apply', done: '', dies: true },
  { at: 'apply:before:2', done: '1', dies: true },
  { at: 'apply:after:2', done: '12', dies: true },
  { at: 'apply:3', done: '12', dies: true },
  { at: 'delete', done: '123', dies: false },
  { at: 'apply:4', done: '123', dies: false },
];
for (const { at, done, dies } of crashes) {
  test(`DROVER_CRASH_AT=${at} ends the process after ${JSON.stringify(done)}`, async () => {
    const result = await run(`const effect = createEffect('${at}'); ${STEPS}`);
    assert.deepEqual([result.output, result.signal], [done, dies ? 'SIGKILL' : null]);
  });
}

test('a crash point that is none is refused', () => {
  for (const at of ['apply:now', 'apply:0', 'Apply', 'a b']) assert.throws(() => createEffect(at), RangeError);
});

test('I12 secrets are not logged, wherever a field of their name stands', async () => {
  const { output } = await run(`
    const log = createLogger({ level: 'info', format: 'json' });
    log.info({ token: 'canary', request: { authorization: 'canary', deep: { natsSeed: 'x', seed: 'canary' } }, cluster: 'prod-eu' }, 'hello');
    log.child({ jwt: 'canary' }).error({ err: new DroverError('KUBE_REJECTED', 'Deployment shop/web', 'no') }, 'failed');
  `);
  assert.ok(!output.includes('canary'), output);
  const [first, second] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([first?.['msg'], first?.['cluster'], first?.['level']], ['hello', 'prod-eu', 'info']);
  assert.deepEqual(second?.['err'], { code: 'KUBE_REJECTED', message: '[KUBE_REJECTED] Deployment shop/web: no' });
});

test('a sleep ends with its signal, and leaves no listener behind', async () => {
  const ending = new AbortController();
  const sleep = clock.sleep(60_000, ending.signal);
  ending.abort(new Error('stop'));
  await assert.rejects(sleep, /stop/);
  await assert.rejects(clock.sleep(0, ending.signal), /stop/);
  await clock.sleep(1, new AbortController().signal);
});
