// Starts a child that has a child of its own, prints what has to be gone after its death, and waits to be killed.

import { startProgram } from '../program.ts';
import { tempDir } from '../../temp.ts';

const folder = await tempDir('orphan');
const script = 'const c = require("node:child_process").spawn("sleep", ["600"]); console.log("grandchild", c.pid); setInterval(() => {}, 1000)';
const child = await startProgram({ command: process.execPath, args: ['-e', script], readyWhen: /grandchild \d+/ });
const grandchild = Number(/grandchild (\d+)/.exec(await child.output())?.[1]);
process.stdout.write(`${JSON.stringify({ pids: [child.pid, grandchild], folder: folder.path })}\n`);
setInterval(() => undefined, 60_000);
