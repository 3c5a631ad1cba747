import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually } from '../eventually.ts';
import { startProgram } from './program.ts';

const node = (script: string): { command: string; args: string[] } => ({ command: process.execPath, args: ['-e', script] });

/** False for a zombie, too: nobody but init can remove those of a dead parent. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) Z /.test(stat);
}

test('a program is ready when its output says so, and ends when it is disposed', async () => {
  let pid: number;
  {
    await using program = await startProgram({
      ...node('setTimeout(() => console.log("ready"), 30); setInterval(() => {}, 1000)'),
      readyWhen: /ready/,
    });
    ({ pid } = program);
    assert.match(await program.output(), /ready/);
    assert.equal(program.exit, undefined);
  }
  assert.equal(await isRunning(pid), false);
});

test('a program that ends before it is ready fails with the end of its output', async () => {
  const started = startProgram({ ...node('console.error("no luck"); process.exit(3)'), readyWhen: /ready/ });
  await assert.rejects(started, /ended before it was ready \(3\)[^]*no luck/);
});

test('a program that does not exist fails', async () => {
  await assert.rejects(startProgram({ command: '/nonexistent/program' }), /ENOENT/);
});

test('a program that ignores SIGTERM is killed after the grace period', async () => {
  await using program = await startProgram({
    ...node('process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)'),
    readyWhen: /up/,
  });
  assert.deepEqual(await program.stop({ graceMs: 50 }), { code: null, signal: 'SIGKILL' });
});

test('a program gets the environment it was given and tells its exit code', async () => {
  await using program = await startProgram({ ...node('process.exit(Number(process.env.CODE))'), env: { CODE: '7' } });
  assert.deepEqual(await program.awaitExit(), { code: 7, signal: null });
});

test('children, their children and temporary folders are gone after the parent was killed by SIGKILL', async () => {
  const parent = spawn(process.execPath, [fileURLToPath(new URL('./testdata/parent.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const { pids, folder } = JSON.parse(line) as { pids: number[]; folder: string };
  for (const pid of pids) assert.equal(await isRunning(pid), true);
  parent.kill('SIGKILL');
  await eventually(async () => {
    for (const pid of pids) assert.equal(await isRunning(pid), false);
    assert.equal(existsSync(folder), false);
  }, 5_000);
});
