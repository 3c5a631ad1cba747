// Loaded into a task before its code: ends the task when the process that started it is gone, by whatever signal.

import { Socket } from 'node:net';

const fd = Number(process.env.DROVER_LIFELINE);
delete process.env.DROVER_LIFELINE; // for this process alone: its children have another number 3
if (fd > 2) {
  const line = new Socket({ fd, readable: true, writable: false });
  line.on('error', () => undefined);
  line.on('close', () => process.kill(process.pid, 'SIGTERM'));
  line.resume();
  line.unref();
}
