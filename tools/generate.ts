// Writes everything that is generated and checked in: npm run generate [-- --check]
//
// `--check` writes nothing and fails when a file differs from what would be written.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules/.bin');
const run = promisify(execFile);

interface Generated {
  /** Folder, from the root, that holds nothing but generated files. */
  readonly folder: string;
  /** Writes the whole folder anew, below `into`. */
  write(into: string): Promise<void>;
}

const GENERATED: readonly Generated[] = [
  {
    folder: 'packages/contract/src/gen',
    // The template names the folder from its base: `--output` moves the base.
    write: (into) => buf('generate', '--clean', '--output', into),
  },
];

async function buf(...args: readonly string[]): Promise<void> {
  // A cache of its own: nothing is fetched, and buf wants a folder that it can write.
  const env = { ...process.env, PATH: [bin, process.env['PATH'] ?? ''].join(delimiter) };
  await run(join(bin, 'buf'), [...args], { cwd: root, env });
}

async function contents(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.sort().map(async (file) => [relative(folder, file), await readFile(file, 'utf8')] as const)));
}

async function check(generated: Generated, into: string): Promise<readonly string[]> {
  await generated.write(into);
  const [wanted, found] = await Promise.all([contents(join(into, generated.folder)), contents(join(root, generated.folder))]);
  const names = [...new Set([...wanted.keys(), ...found.keys()])].sort();
  return names.filter((name) => wanted.get(name) !== found.get(name)).map((name) => join(generated.folder, name));
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
await buf('lint');
if (values.check) {
  const scratch = await mkdtemp(join(tmpdir(), 'drover-generate-'));
  try {
    const stale = (await Promise.all(GENERATED.map((generated) => check(generated, scratch)))).flat();
    for (const file of stale) console.error(`drover: ${file} is not what npm run generate writes`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
} else {
  for (const generated of GENERATED) await generated.write(root);
}
