// Builds the servers of the testbed from their Go modules, once, into a cache shared by all clones.
// Plain ESM for Node 20 without dependencies: it runs before anything is installed.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Refusal, cacheRoot, digest, exclusively } from './cache.mjs';

const run = promisify(execFile);
const modules = fileURLToPath(new URL('../packages/testbed/servers', import.meta.url));
const store = join(cacheRoot(), 'servers');

const KUBERNETES = '1.36.3';
const stamp = (name, value) => `-X k8s.io/component-base/version.${name}=${value}`;

/**
 * The groups in building order, the quick ones first. `binaries` maps the name that users of the directory ask for to
 * the name Go gives the program.
 */
const GROUPS = [
  { name: 'etcd', why: 'the store of every test cluster', binaries: { etcd: 'server' }, ldflags: '-s -w' },
  { name: 'nats', why: 'the broker between hub and agents', binaries: { 'nats-server': 'nats-server' }, ldflags: '-s -w' },
  { name: 'kustomize', why: 'the renderer of the hub', binaries: { kustomize: 'kustomize' }, ldflags: '-s -w' },
  { name: 'kwok', why: 'simulated nodes, so that Deployments become ready', binaries: { kwok: 'kwok' }, ldflags: '-s -w' },
  {
    name: 'kubernetes',
    why: 'real API servers, controllers and kubectl',
    binaries: {
      'kube-apiserver': 'kube-apiserver',
      kubectl: 'kubectl',
      'kube-controller-manager': 'kube-controller-manager',
      'kube-scheduler': 'kube-scheduler',
    },
    // Without these clients are told v0.0.0-master.
    ldflags: ['-s -w', stamp('gitVersion', `v${KUBERNETES}`), stamp('gitMajor', '1'), stamp('gitMinor', '36')].join(' '),
  },
];

/** The Stage documents that make kwok play a kubelet, by their folder in its module. */
const STAGES = ['node/fast', 'node/heartbeat-with-lease', 'pod/fast'];

const filesOf = (group) => [...Object.keys(group.binaries), ...(group.name === 'kwok' ? ['stages'] : [])];

/** @returns the version of the Go tool, as `go1.26.8`; throws a Refusal when it is missing or too old */
async function goVersion() {
  const how = 'get Go 1.26 or newer from https://go.dev/dl, or name a directory that has the servers in DROVER_SERVERS';
  let version;
  try {
    const { stdout } = await run('go', ['env', 'GOVERSION'], { env: { ...process.env, GOTOOLCHAIN: 'local' } });
    version = stdout.trim();
  } catch {
    throw new Refusal(`go is missing, and it builds the servers of the testbed: ${how}`);
  }
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) === 1 && Number(minor) < 26) throw new Refusal(`go is too old (${version}): ${how}`);
  return version;
}

/** A directory of the user wins over the cache, file by file. */
function given(file) {
  return [process.env.DROVER_SERVERS, process.env.KUBEBUILDER_ASSETS]
    .filter((dir) => dir !== undefined && dir !== '')
    .map((dir) => join(resolve(dir), file))
    .find((path) => existsSync(path));
}

/**
 * Finds out where each server is or will be, and what has to be built for that.
 *
 * @param wanted names of groups, or `all`
 * @returns `links`: file name to path; `missing`: the groups to build, each with the directory it goes to
 */
export async function planServers(wanted) {
  const links = {};
  const missing = [];
  let version;
  for (const group of GROUPS) {
    const required = wanted === 'all' || wanted.includes(group.name);
    const absent = [];
    for (const file of filesOf(group)) {
      links[file] = given(file);
      if (links[file] === undefined) absent.push(file);
    }
    if (absent.length === 0) continue;
    try {
      version ??= await goVersion();
    } catch (error) {
      if (required) throw error;
      continue;
    }
    const [mod, sum] = await Promise.all(['go.mod', 'go.sum'].map((file) => readFile(join(modules, group.name, file), 'utf8')));
    const target = join(store, `${group.name}-${digest(mod, sum, version, process.platform, process.arch, group.ldflags, STAGES)}`);
    for (const file of absent) links[file] = join(target, file);
    if (required && !existsSync(target)) missing.push({ group, target });
  }
  return { links, missing };
}

/**
 * Carries out a plan and gathers all servers there are in one directory of links.
 *
 * @param options.say told what is being built, how many of how many, why and for how long
 * @param options.signal ends the compilers
 * @returns the directory: kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, etcd, nats-server,
 *   kustomize, kwok and stages/, as far as they were wanted or already there
 */
export async function buildServers({ links, missing }, { say, signal }) {
  for (const [index, { group, target }] of missing.entries()) {
    const started = Date.now();
    const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`;
    const what = `servers ${index + 1} of ${missing.length}: ${group.name} (${Object.keys(group.binaries).join(', ')})`;
    say(`${what}: not built yet, building (${group.why})`);
    const pulse = setInterval(() => say(`${what}: still building, ${elapsed()}`), 30_000);
    try {
      await exclusively(`.${group.name}.lock`, signal, async () => {
        if (!existsSync(target)) await build(group, target, signal);
      });
    } finally {
      clearInterval(pulse);
    }
    say(`${what}: done after ${elapsed()}`);
  }
  return gather(links);
}

async function build(group, target, signal) {
  const module = join(modules, group.name);
  await mkdir(store, { recursive: true });
  const partial = await mkdtemp(join(store, `.${group.name}-`));
  const env = {
    ...process.env,
    GOBIN: partial,
    CGO_ENABLED: '0',
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GOFLAGS: '-buildvcs=false -trimpath -mod=readonly',
  };
  try {
    await compile(group, module, env, signal);
    for (const [name, built] of Object.entries(group.binaries)) {
      if (name !== built) await rename(join(partial, built), join(partial, name));
    }
    if (group.name === 'kwok') await copyStages(module, env, join(partial, 'stages'));
    await rename(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function compile(group, module, env, signal) {
  return new Promise((done, fail) => {
    const child = spawn('go', ['install', `-ldflags=${group.ldflags}`, 'tool'], {
      cwd: module,
      env,
      signal,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const hear = (chunk) => {
      said = (said + chunk).slice(-4000);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', fail);
    child.on('close', (code) => {
      if (code === 0) done();
      else fail(new Refusal(`building ${group.name} failed (exit ${code}):\n${said.trim()}`));
    });
  });
}

async function copyStages(module, env, to) {
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/kwok'], { cwd: module, env });
  await mkdir(to);
  for (const stage of STAGES) {
    const from = join(stdout.trim(), 'kustomize/stage', stage);
    for (const file of await readdir(from)) {
      if (!file.endsWith('.yaml') || file === 'kustomization.yaml') continue;
      await cp(join(from, file), join(to, `${stage.replaceAll('/', '-')}-${file}`));
    }
  }
}

async function gather(links) {
  const there = [];
  for (const [name, path] of Object.entries(links)) {
    // Resolved, so that a directory of links that is handed on is not linked to once more.
    if (path !== undefined && existsSync(path)) there.push([name, await realpath(path)]);
  }
  const directory = join(store, `bin-${digest(there)}`);
  if (existsSync(directory)) return directory;
  await mkdir(store, { recursive: true });
  const partial = await mkdtemp(join(store, '.bin-'));
  try {
    for (const [name, path] of there) await symlink(path, join(partial, name));
    await rename(partial, directory).catch((cause) => {
      // Another process gathered the same links first.
      if (!existsSync(directory)) throw cause;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return directory;
}
