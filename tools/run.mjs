// Starts every root script: node tools/run.mjs <task> [arguments]
//
// Plain ESM for Node 20 without dependencies. It installs the pinned Node and pnpm, then the workspace when its lock
// changed, builds the servers a task needs, and runs the task under the pinned Node. Only the task writes to stdout.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { Refusal, cacheRoot, digest, exclusively } from './cache.mjs';
import { buildServers, planServers } from './servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const lifeline = pathToFileURL(join(root, 'tools/lifeline.mjs')).href;

const say = (line) => process.stderr.write(`drover: ${line}\n`);

const node = (...args) => ({ command: 'node', args });
const bin = (name, ...args) => ({ command: join(root, 'node_modules/.bin', name), args });

const CHECKS = [bin('tsc', '-p', '.'), bin('oxlint', '--type-aware', '--deny-warnings'), bin('oxfmt', '--check')];
const unit = (args) => node('--test', '--test-concurrency=2', ...selection(args, 'packages/*/src/**/*.test.ts'));
const e2e = (args) => node('--test', '--test-isolation=none', ...selection(args, 'e2e/*.test.ts'));
const simulate = (...args) => node('packages/sim/src/main.ts', ...args);

/** Options go to the test runner; files replace the default pattern. */
function selection(args, pattern) {
  return args.some((arg) => !arg.startsWith('-')) ? args : [...args, pattern];
}

/**
 * What each task runs, in order. `servers`: the groups that must be there before `steps` start, everything else that
 * is there already is offered too; `before`: steps that need no server and run while those are built.
 */
const TASKS = {
  check: () => ({ steps: CHECKS, keepGoing: true }),
  'test:unit': (args) => ({ servers: 'all', steps: [unit(args)] }),
  'test:e2e': (args) => ({ servers: 'all', steps: [e2e(args)] }),
  test: () => ({ servers: 'all', before: CHECKS, steps: [unit([]), simulate('--seeds', '200'), e2e([])] }),
  start: (args) => ({ servers: 'all', steps: [node('packages/testbed/src/demo/main.ts', ...args)] }),
  'demo:env': (args) => ({ steps: [node('packages/testbed/src/demo/env.ts', ...args)] }),
  generate: (args) => ({ steps: [node('tools/generate.ts', ...args)] }),
  build: (args) => ({ steps: [node('tools/build.ts', ...args)] }),
  bench: (args) => ({ servers: 'all', steps: [node('e2e/bench/main.ts', ...args)] }),
  simulate: (args) => ({ steps: [simulate(...args)] }),
  faults: () => {
    throw new Refusal('faults: not yet: the faults that are covered run in npm run test:e2e');
  },
  drover: (args) => ({
    servers: args[0] === 'hub' ? ['nats', 'kustomize'] : args[0] === 'render' ? ['kustomize'] : [],
    cwd: process.env.INIT_CWD ?? process.cwd(),
    steps: [node(join(root, 'packages/cli/src/main.ts'), ...args)],
  }),
};

const ending = new AbortController();
let running;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, () => {
    if (running === undefined) ending.abort(new Interrupted(name));
    // A terminal has already told the whole foreground group; twice would mean "now" to a program that is tidying up.
    else if (name !== 'SIGINT' || !process.stdin.isTTY) running.kill(name);
  });
}

class Interrupted extends Error {
  constructor(name) {
    super(name);
    this.status = 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[name];
  }
}

async function main([name, ...args]) {
  const task = Object.hasOwn(TASKS, name ?? '') ? TASKS[name](args) : undefined;
  if (task === undefined) throw new Refusal(`no task called ${name ?? '(nothing)'}; there are: ${Object.keys(TASKS).join(', ')}`);
  await requireTools();
  // A missing Go is said before anything is downloaded.
  const plan = await planServers(task.servers ?? []);
  const servers = buildServers(plan, { say, signal: ending.signal });
  servers.catch(() => undefined);
  const toolchain = await ensureToolchain();
  await ensureWorkspace(toolchain);
  const env = (directory) => ({
    ...process.env,
    PATH: [join(toolchain, 'node_modules/.bin'), ...(directory === undefined ? [] : [directory]), process.env.PATH].join(delimiter),
    ...(directory === undefined ? {} : { DROVER_SERVERS: directory }),
  });
  let failed = 0;
  for (const step of task.before ?? []) failed ||= await runStep(step, { cwd: root, env: env(undefined) });
  if (failed !== 0) return failed;
  const directory = await servers;
  for (const step of task.steps) {
    const status = await runStep(step, { cwd: task.cwd ?? root, env: env(directory) });
    failed ||= status;
    if (failed !== 0 && task.keepGoing !== true) break;
  }
  return failed;
}

/** @returns the exit status of the step, 128 + n when signal n ended it */
function runStep({ command, args }, { cwd, env }) {
  ending.signal.throwIfAborted();
  const own = command === 'node';
  const flags = own ? ['--disable-warning=ExperimentalWarning', '--import', lifeline] : [];
  return new Promise((done, fail) => {
    // The pipe ends the task when this process is gone, even by SIGKILL.
    running = spawn(own ? join(env.PATH.split(delimiter)[0], 'node') : command, [...flags, ...args], {
      cwd,
      env: { ...env, ...(own ? { DROVER_LIFELINE: `3:${process.pid}` } : {}) },
      stdio: ['inherit', 'inherit', 'inherit', ...(own ? ['pipe'] : [])],
    });
    running.on('error', fail);
    running.on('close', (code, signal) => {
      running = undefined;
      done(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0));
    });
  });
}

async function requireTools() {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new Refusal(`node ${process.versions.node} is too old: get Node 20 or newer from https://nodejs.org`);
  await promisify(execFile)('git', ['--version']).catch(() => {
    throw new Refusal('git is missing: install it with the package manager of your system, or from https://git-scm.com');
  });
}

/** Runs a program of the set-up; what it says goes to stderr, and only if it fails. */
function quietly(command, args, cwd, env) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, env, signal: ending.signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    child.stderr.on('data', (chunk) => (said += chunk));
    child.on('error', (error) => {
      fail(error.code === 'ENOENT' ? new Refusal(`${command} is missing: it comes with Node 20 or newer from https://nodejs.org`) : error);
    });
    child.on('close', (code) => {
      if (code === 0) done();
      else fail(new Refusal(`${command} ${args.join(' ')} failed (exit ${code}):\n${said.trim().split('\n').slice(-30).join('\n')}`));
    });
  });
}

/** @returns the directory whose node_modules/.bin has the pinned node and pnpm */
async function ensureToolchain() {
  const files = ['package.json', 'package-lock.json'].map((file) => join(root, 'tools', file));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const target = join(cacheRoot(), `toolchain-${digest(...texts, process.platform, process.arch)}`);
  if (existsSync(target)) return target;
  await exclusively('.toolchain.lock', ending.signal, async () => {
    if (existsSync(target)) return;
    const { node: version, pnpm } = JSON.parse(texts[0]).dependencies;
    say(`toolchain: installing Node ${version} and pnpm ${pnpm}, once (10 to 20 s)`);
    const partial = await mkdtemp(join(cacheRoot(), '.toolchain-'));
    try {
      for (const file of files) await cp(file, join(partial, file.slice(file.lastIndexOf('/') + 1)));
      // Not "ci": it refuses a lock that lacks builds for platforms this registry does not carry.
      await quietly('npm', ['install', '--no-audit', '--no-fund'], partial, withoutNpm());
      await quietly(join(partial, 'node_modules/.bin/node'), ['--version'], partial, process.env);
      await rename(partial, target);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  });
  return target;
}

/** npm hands its own settings to scripts by environment; an inner npm must not take them for the user's. */
function withoutNpm() {
  const outer = /^npm_(config_(local_prefix|global_prefix|prefix|workspace|workspaces)|lifecycle_|package_|command$|execpath$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)));
}

/** Installs the workspace when the lock, or the toolchain, is not the one it was installed from. */
async function ensureWorkspace(toolchain) {
  const installed = join(root, 'node_modules/.drover-installed');
  const wanted = async () => digest(toolchain, await readFile(join(root, 'pnpm-lock.yaml'), 'utf8'));
  const current = () => readFile(installed, 'utf8').catch(() => '');
  if ((await current()) === (await wanted())) return;
  await exclusively(`.workspace-${digest(resolve(root))}.lock`, ending.signal, async () => {
    const lock = await wanted();
    if ((await current()) === lock) return;
    say('workspace: installing packages, the lock has changed since the last time');
    const env = { ...withoutNpm(), CI: 'true', PATH: [join(toolchain, 'node_modules/.bin'), process.env.PATH].join(delimiter) };
    await quietly(join(toolchain, 'node_modules/.bin/pnpm'), ['install', '--frozen-lockfile'], root, env);
    await mkdir(join(root, 'node_modules'), { recursive: true });
    await writeFile(installed, lock);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const reason = ending.signal.aborted ? ending.signal.reason : error;
  if (reason instanceof Interrupted) process.exitCode = reason.status;
  else {
    say(reason instanceof Refusal ? reason.message : reason.stack);
    process.exitCode = 1;
  }
  if (!ending.signal.aborted) ending.abort(reason);
}
