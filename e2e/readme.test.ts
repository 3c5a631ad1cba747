// Types the tour of the README into a running demo, and compares what is printed.
//
// A fenced block with the info string `sh tour` is typed: lines that begin with `$ ` are commands, the lines below one
// are what it prints, in this order, with others between them; `...` stands for anything, and white space for white
// space. A command with expected lines is typed again until it prints them; one without has to end well.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, startProgram, tempDir } from '@drover/testbed';
import { THINGS } from '../packages/testbed/src/demo/guide.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');

interface Step {
  readonly command: string;
  readonly expected: readonly string[];
}

function tourOf(markdown: string): readonly Step[] {
  const steps: { command: string; expected: string[] }[] = [];
  for (const [, block = ''] of markdown.matchAll(/^```sh tour\n([\s\S]*?)^```$/gm)) {
    for (const line of block.split('\n')) {
      const command = /^\$ (.*)$/.exec(line)?.[1];
      if (command !== undefined) steps.push({ command, expected: [] });
      else if (line.trim() !== '') steps.at(-1)?.expected.push(line);
    }
  }
  return steps;
}

const tour = tourOf(readme);

/** Whether the expected lines stand in the output, in order. */
function stands(expected: readonly string[], output: string): boolean {
  const lines = output.split('\n');
  let at = 0;
  for (const line of expected) {
    const pattern = patternOf(line);
    while (at < lines.length && !pattern.test(lines[at] ?? '')) at++;
    if (at++ >= lines.length) return false;
  }
  return true;
}

function patternOf(line: string): RegExp {
  const parts = line
    .trim()
    .split('...')
    .map((part) =>
      part
        .trim()
        .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replaceAll(/\s+/g, '\\s+'),
    );
  return new RegExp(`^\\s*${parts.join('.*')}\\s*$`);
}

interface Typed {
  readonly code: number;
  readonly output: string;
}

function type(command: string, env: NodeJS.ProcessEnv): Promise<Typed> {
  return new Promise((resolve, reject) => {
    const line = `${command.includes('<<') ? command : `{ ${command}; }`} 2>&1`;
    execFile('bash', ['-c', line], { cwd: root, env, timeout: 60_000, maxBuffer: 1 << 24 }, (error, output) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, output });
      else reject(error ?? new Error('no exit code'));
    });
  });
}

test('the tour of the README has, in order, what the demo says to try', () => {
  let at = 0;
  for (const { title, steps, undo } of THINGS) {
    assert.ok(readme.includes(title), `the README does not name "${title}"`);
    for (const { type: command, expect = [] } of [...steps, ...undo]) {
      const same = (step: Step): boolean =>
        step.command === command && expect.every((line) => step.expected.some((one) => one.trim() === line));
      const found = tour.slice(at).findIndex(same);
      assert.ok(found >= 0, `the README does not type, or does not expect the same of: ${command}`);
      at += found + 1;
    }
  }
});

test('the tour of the README prints what it says', async () => {
  await using place = await tempDir('readme');
  const home = { ...process.env, NO_COLOR: '1', DROVER_DEMO_DIR: place.path };
  await using demo = await startProgram({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(root, 'packages/testbed/src/demo/main.ts')],
    env: home,
    cwd: root,
    readyWhen: /Ctrl-C ends everything/,
    readyTimeoutMs: 240_000,
  });
  const { code, output } = await type('eval "$(npm run -s demo:env)" && env -0', home);
  assert.equal(code, 0, output);
  const env = Object.fromEntries(
    output
      .split('\0')
      .filter((entry) => entry.includes('='))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
  for (const { command, expected } of tour) {
    if (expected.length === 0) {
      const typed = await type(command, env);
      assert.equal(typed.code, 0, `$ ${command}\n${typed.output}`);
      continue;
    }
    await eventually(async () => {
      const typed = await type(command, env);
      assert.ok(stands(expected, typed.output), `$ ${command}\n${typed.output}\n-- expected --\n${expected.join('\n')}`);
    }, 60_000);
  }
  await demo.stop({ signal: 'SIGINT', graceMs: 30_000 });
  assert.equal(demo.exit?.code, 0);
});
