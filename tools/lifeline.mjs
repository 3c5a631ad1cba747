// Loaded into a task before its code: ends the task when the process that started it is gone, by whatever signal.

import { Socket } from 'node:net';

// Of the form `<fd>:<parent>`. Children of the task may inherit variable and flag, but not the descriptor.
const [fd, parent] = (process.env.DROVER_LIFELINE ?? '').split(':').map(Number);
delete process.env.DROVER_LIFELINE;
if (fd > 2 && parent === process.ppid) {
  const line = new Socket({ fd, readable: true, writable: false });
  line.on('error', () => undefined);
  line.on('close', () => process.kill(process.pid, 'SIGTERM'));
  line.resume();
  line.unref();
}
