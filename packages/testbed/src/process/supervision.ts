import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { Command, Event, Exit } from './protocol.ts';

export type { Exit } from './protocol.ts';

/** A child as the supervisor sees it. */
export interface Supervised {
  /** Leader of its own process group. */
  readonly pid: number;
  /** Settles when the child has ended, but does not keep the event loop alive for it. */
  readonly exited: Promise<Exit>;
  /** The same, and keeps the event loop alive. */
  awaitExit(): Promise<Exit>;
}

export type SpawnRequest = Omit<Extract<Command, { op: 'spawn' }>, 'op' | 'id'>;

/**
 * The one supervisor of this process. Module state on purpose: it is bound to the life of the process, like the process
 * table it stands for, and a second one would cost another 40 MiB.
 */
let supervisor: Supervisor | undefined;
const folders = new Set<string>();

/** Starts a child that ends with this process, however this process ends. */
export function supervise(request: SpawnRequest): Promise<Supervised> {
  supervisor ??= startSupervisor();
  return supervisor.spawn(request);
}

/** Has a folder removed when this process ends, if it has children by then. */
export function tidyDirectory(path: string): void {
  folders.add(path);
  supervisor?.send({ op: 'tidy', path });
}

export function forgetDirectory(path: string): void {
  folders.delete(path);
  supervisor?.send({ op: 'forget', path });
}

interface Supervisor {
  send(command: Command): void;
  spawn(request: SpawnRequest): Promise<Supervised>;
}

interface Pending {
  readonly spawned: PromiseWithResolvers<number>;
  readonly exited: PromiseWithResolvers<Exit>;
}

function startSupervisor(): Supervisor {
  const program = fileURLToPath(new URL('./supervisor.ts', import.meta.url));
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
  const child = spawn(process.execPath, [...flags, program], {
    // A group of its own: Ctrl-C is for the parent, which decides in what order its children end.
    detached: true,
    env: {},
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let waiting = 0;
  hold(child, false);

  createInterface({ input: child.stdout }).on('line', (line) => hear(JSON.parse(line) as Event));
  child.on('exit', (code, signal) => {
    supervisor = undefined;
    const lost = new Error(`the supervisor of the test servers has ended (${signal ?? code})`);
    for (const { spawned, exited } of pending.values()) {
      spawned.reject(lost);
      exited.resolve({ code: null, signal: 'SIGKILL' });
    }
    pending.clear();
  });

  function hear(event: Event): void {
    const entry = pending.get(event.id);
    if (entry === undefined) return;
    if (event.op === 'spawned') entry.spawned.resolve(event.pid);
    else {
      pending.delete(event.id);
      if (event.op === 'failed') entry.spawned.reject(new Error(event.message));
      else entry.exited.resolve(event.exit);
    }
  }

  function send(command: Command): void {
    child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** While somebody waits for the supervisor the event loop must live; else it must not be kept by it. */
  async function whileHeld<T>(promise: Promise<T>): Promise<T> {
    waiting += 1;
    if (waiting === 1) hold(child, true);
    try {
      return await promise;
    } finally {
      waiting -= 1;
      if (waiting === 0) hold(child, false);
    }
  }

  for (const path of folders) send({ op: 'tidy', path });
  return {
    send,
    async spawn(request) {
      const id = nextId;
      nextId += 1;
      const entry: Pending = { spawned: Promise.withResolvers(), exited: Promise.withResolvers() };
      pending.set(id, entry);
      send({ op: 'spawn', id, ...request });
      const pid = await whileHeld(entry.spawned.promise);
      return { pid, exited: entry.exited.promise, awaitExit: () => whileHeld(entry.exited.promise) };
    },
  };
}

function hold(child: ChildProcess, held: boolean): void {
  const handles = [child, child.stdin, child.stdout] as (ChildProcess | Writable | Readable | null)[];
  for (const handle of handles) {
    const referable = handle as { ref?(): void; unref?(): void } | null;
    if (held) referable?.ref?.();
    else referable?.unref?.();
  }
}
