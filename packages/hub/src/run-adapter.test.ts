import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { eventually, tempDir } from '@drover/testbed';
import { createRun } from './run-adapter.ts';

const run = createRun();
const options = { env: { PATH: process.env['PATH'] ?? '' }, timeoutMs: 20_000, maxOutputBytes: 1024 };
const never = new AbortController().signal;
const node = (script: string): [string, string[]] => [process.execPath, ['-e', script]];

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

suite('running a program', () => {
  test('exit code, both outputs and the input arrive', async () => {
    const [program, args] = node('process.stdin.pipe(process.stdout); console.error("careful"); process.exitCode = 3');
    const result = await run(program, args, { ...options, input: Buffer.from('hello') }, never);
    assert.deepEqual({ ...result, stdout: result.stdout.toString() }, { exitCode: 3, stdout: 'hello', stderr: 'careful\n' });
  });

  test('nothing of the environment is inherited and no shell reads the arguments', async () => {
    const [program, args] = node('console.log(JSON.stringify([process.env, process.argv.slice(1)]))');
    process.env['DROVER_CANARY'] = 'x';
    const { stdout } = await run(program, [...args, '--', '$(id)', '; true'], { ...options, env: { ONLY: 'this' } }, never);
    delete process.env['DROVER_CANARY'];
    assert.deepEqual(JSON.parse(stdout.toString()), [{ ONLY: 'this' }, ['$(id)', '; true']]);
  });

  test('output beyond the cap is an error, never cut short', async () => {
    const [program, args] = node('process.stdout.write("x".repeat(5000)); setInterval(() => {}, 1000)');
    await assert.rejects(run(program, args, options, never), { code: 'RENDER_LIMIT' });
  });

  test('a program that is not there fails as itself', async () => {
    await assert.rejects(run('/nonexistent/program', [], options, never), { code: 'ENOENT' });
  });

  test('past the time limit the program and its children are gone', async () => {
    await using directory = await tempDir('run');
    const file = join(directory.path, 'pid');
    const child = `require("fs").writeFileSync(${JSON.stringify(file)}, String(process.pid)); setInterval(() => {}, 1000)`;
    const [program, args] = node(
      `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" }); setInterval(() => {}, 1000)`,
    );
    const stop = new AbortController();
    const running = run(program, args, options, stop.signal);
    const pid = await eventually(async () => {
      const text = await readFile(file, 'utf8');
      assert.match(text, /^\d+$/);
      return Number(text);
    }, 10_000);
    stop.abort(new Error('enough'));
    await assert.rejects(running, /enough/);
    await eventually(() => assert.equal(alive(pid), false), 5_000);
    await assert.rejects(run(program, args, { ...options, timeoutMs: 150 }, never), { code: 'ETIMEDOUT' });
  });

  test('an aborted signal starts nothing', async () => {
    await assert.rejects(run('/nonexistent', [], options, AbortSignal.abort(new Error('too late'))), /too late/);
  });
});
