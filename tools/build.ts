// npm run build: the programs as ESM bundles with source maps, and a smoke start of each.

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
  readonly entry: string;
  /** The module runs the program when it is loaded; else it exports `main(argv, env)`. */
  readonly runs: boolean;
  /** Must print `expect` and exit 0. */
  readonly smoke: readonly string[];
  readonly expect: RegExp;
}

const BUNDLES: readonly Bundle[] = [
  { name: 'drover-hub', entry: 'packages/hub/src/main.ts', runs: false, smoke: ['--help'], expect: /drover hub/ },
  { name: 'drover-agent', entry: 'packages/agent/src/main.ts', runs: false, smoke: ['--help'], expect: /drover agent/ },
  { name: 'drover', entry: 'packages/cli/src/main.ts', runs: true, smoke: ['version', '--client'], expect: /\d+\.\d+\.\d+/ },
];

await rm(dist, { recursive: true, force: true });
const starts = join(dist, 'starts');
await mkdir(starts, { recursive: true });
const entryPoints: Record<string, string> = {};
for (const { name, entry, runs } of BUNDLES) {
  entryPoints[name] = runs ? join(root, entry) : join(starts, `${name}.ts`);
  if (runs) continue;
  const text = `import { main } from '../../${entry}';\nprocess.exitCode = await main(process.argv.slice(2), process.env);\n`;
  await writeFile(join(starts, `${name}.ts`), text);
}
// What is imported lazily becomes a chunk of its own: an agent in a cluster never reads the client for kubeconfigs.
const { metafile } = await build({
  entryPoints,
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: true,
  // Node keeps the text of modules in memory: 9 MiB less for an agent. Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  banner: { js: REQUIRE },
});
await rm(starts, { recursive: true });
if (Object.keys(metafile.outputs).length < BUNDLES.length) throw new Error('not every program was bundled');

for (const { name, smoke, expect } of BUNDLES) {
  const file = join(dist, `${name}.mjs`);
  const options = { encoding: 'utf8', timeout: 30_000 } as const;
  const printed = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...smoke], options);
  if (!expect.test(printed)) throw new Error(`${name} ${smoke.join(' ')} printed: ${printed.slice(0, 400)}`);
  const { size } = await stat(file);
  console.log(`${name.padEnd(14)} ${(size / 1024).toFixed(0).padStart(6)} KiB and its chunks   starts`);
}
