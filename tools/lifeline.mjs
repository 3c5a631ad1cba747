// Loaded into a task before its code: ends the task when the process that started it is gone, by whatever signal.

import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

function end() {
  // The test runner first waits for the files it runs.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 3_000).unref();
  process.kill(process.pid, 'SIGTERM');
}

// Of the form `<fd>:<parent>`. Processes that the task starts may inherit variable and flag, but not the descriptor.
const [fd, parent] = (process.env.DROVER_LIFELINE ?? '').split(':').map(Number);
delete process.env.DROVER_LIFELINE;
if (!isMainThread) {
  // The main thread has one.
} else if (fd > 2 && parent === process.ppid) {
  const line = new Socket({ fd, readable: true, writable: false });
  line.on('error', () => undefined);
  line.on('close', end);
  line.resume();
  line.unref();
} else {
  // A file of the test runner: when that is gone it would run on, unheard.
  const starter = process.ppid;
  const pulse = setInterval(() => {
    if (process.ppid === starter) return;
    clearInterval(pulse);
    end();
  }, 1_000).unref();
}
