// Prints the shell settings of the running demo: eval "$(npm run -s demo:env)"

import { readFile } from 'node:fs/promises';

import { demoPath } from './places.ts';
import type { DemoFile } from './places.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const text = await readFile(demoPath('demo.json'), 'utf8').catch(() => undefined);
if (text === undefined) {
  process.stderr.write('no demo is running here: start it with npm start\n');
  process.exitCode = 1;
} else {
  const demo = JSON.parse(text) as DemoFile;
  const settings = { DROVER_HUB: demo.hub, KUBECONFIG: demoPath('kubeconfig'), DROVER_REPO: demo.repository, DROVER_DEMO: demoPath() };
  for (const [name, value] of Object.entries(settings)) process.stdout.write(`export ${name}=${quoted(value)}\n`);
  process.stdout.write(`export PATH=${quoted(demoPath('bin'))}:"$PATH"\n`);
}
