// npm run build: one ESM bundle a program with its source map, and a smoke start of each.

import { execFileSync } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** CommonJS packages inside an ESM bundle still call require. */
const REQUIRE = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

interface Bundle {
  readonly name: string;
  /** Module whose `main(argv, env)` runs the program. */
  readonly entry: string;
  /** Must print `expect` and exit 0. */
  readonly smoke: readonly string[];
  readonly expect: RegExp;
}

const BUNDLES: readonly Bundle[] = [
  { name: 'drover-hub', entry: 'packages/hub/src/main.ts', smoke: ['--help'], expect: /drover hub/ },
  { name: 'drover-agent', entry: 'packages/agent/src/main.ts', smoke: ['--help'], expect: /drover agent/ },
  { name: 'drover', entry: 'packages/cli/src/main.ts', smoke: ['version', '--client'], expect: /\d+\.\d+\.\d+/ },
];

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
for (const bundle of BUNDLES) {
  const file = join(dist, `${bundle.name}.mjs`);
  const runs = bundle.name === 'drover';
  const start = join(dist, `${bundle.name}.start.ts`);
  const call = `process.exitCode = await main(process.argv.slice(2), process.env);`;
  await writeFile(start, runs ? `import '../${bundle.entry}';\n` : `import { main } from '../${bundle.entry}';\n${call}\n`);
  await build({
    entryPoints: [start],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: REQUIRE },
  });
  await rm(start);
  const printed = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...bundle.smoke], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (!bundle.expect.test(printed)) throw new Error(`${bundle.name} ${bundle.smoke.join(' ')} printed: ${printed.slice(0, 400)}`);
  const { size } = await stat(file);
  console.log(`${bundle.name.padEnd(14)} ${(size / 1024).toFixed(0).padStart(6)} KiB   starts`);
}
