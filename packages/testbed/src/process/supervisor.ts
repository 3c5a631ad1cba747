// A program of its own, one for each process that starts children: it holds the other end of a pipe to its parent, and
// when that closes, for whatever reason, SIGKILL included, it ends every child with all its descendants in the same
// process group and removes what they left on disk.

import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

import type { Command, Event } from './protocol.ts';

/** Leaders of process groups that may still have members. */
const groups = new Set<number>();
const folders = new Set<string>();

function tell(event: Event): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function obey(command: Command): void {
  switch (command.op) {
    case 'spawn':
      start(command);
      return;
    case 'tidy':
      folders.add(command.path);
      return;
    case 'forget':
      folders.delete(command.path);
  }
}

function start(command: Extract<Command, { op: 'spawn' }>): void {
  const { id } = command;
  let log: number;
  try {
    log = openSync(command.logFile, 'a', 0o600);
  } catch (error) {
    tell({ op: 'failed', id, message: String(error) });
    return;
  }
  const child = spawn(command.command, command.args, {
    cwd: command.cwd,
    env: { ...command.env },
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const { pid } = child;
  if (pid !== undefined) {
    groups.add(pid);
    tell({ op: 'spawned', id, pid });
  }
  child.on('error', (error) => {
    if (pid === undefined) tell({ op: 'failed', id, message: error.message });
  });
  child.on('exit', (code, signal) => {
    if (pid !== undefined && !isGroup(pid)) groups.delete(pid);
    tell({ op: 'exited', id, exit: { code, signal } });
  });
}

function isGroup(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

function end(): never {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
  for (const path of folders) rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.stdout.on('error', end);
createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => obey(JSON.parse(line) as Command))
  .on('close', end);
