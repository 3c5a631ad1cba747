#!/usr/bin/env node
// The program `drover`: the shell around the commands. It runs when it is loaded.

import { setTimeout as delay } from 'node:timers/promises';
import { runCli } from './cli.ts';
import { createClient } from './client.ts';
import type { Context } from './context.ts';
import { painter } from './format/paint.ts';

const { env, stdout, stderr } = process;
const interrupted = new AbortController();
const args = process.argv.slice(2);

// `drover … | head` closes the pipe: nothing is left to say.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

// The programs stop by themselves on a signal.
if (args[0] !== 'hub' && args[0] !== 'agent') process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));

const context: Context = {
  env,
  cwd: process.cwd(),
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  columns: stdout.isTTY ? stdout.columns : undefined,
  paint: painter(stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'),
  now: () => Date.now(),
  sleep: (ms) => delay(ms, undefined, { signal: interrupted.signal }).catch(() => {}),
  signal: interrupted.signal,
  connect: (url, token) => createClient({ url, token }),
};

process.exitCode = await runCli(args, context, {
  hub: async (argv) => (await import('@drover/hub/main')).main(argv, env),
  agent: async (argv) => (await import('@drover/agent/main')).main(argv, env),
});
