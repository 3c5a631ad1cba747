import type { BasePorts, Problem } from '@drover/contract';
import { DEFAULT_NAMESPACE, DroverError, sha256Hex } from '@drover/contract';
import { LRUCache } from 'lru-cache';
import type { GitRef, GitRepository, Named } from '#config/types.ts';
import type { Files, Run } from '#ports';
import { coalesce } from './coalesce.ts';
import type { GitCredentials, SourceSecrets } from './credentials.ts';
import { NO_CREDENTIALS, gitCredentials } from './credentials.ts';
import { underDiskLimit } from './disk-limit.ts';
import { gitEnvironment } from './git-environment.ts';
import type { ParsedCommit, ParsedTree } from './git-objects.ts';
import type { Git, GitResult } from './git.ts';
import { createGit } from './git.ts';
import type { Relation } from './history.ts';
import { isNearAncestor, judgeHistory } from './history.ts';
import type { IgnoreFile } from './ignore-rules.ts';
import { IGNORE_FILES, MAX_IGNORE_BYTES, compileIgnores } from './ignore-rules.ts';
import { createMaintenance } from './maintenance.ts';
import type { MirrorDirectory } from './mirror-directory.ts';
import { UNBORN, createMirrorDirectory } from './mirror-directory.ts';
import type { TreeCache } from './mirror-objects.ts';
import { createMirrorObjects } from './mirror-objects.ts';
import type { ObjectStore, StartBatch } from './object-store.ts';
import { createObjectStore } from './object-store.ts';
import { redact } from './redact.ts';
import { FETCHED_REF, GOOD_REFS, checkRef, goodRef, refKey, remoteRef, revisionOf, showGitRef } from './ref-plan.ts';
import { checkUrl } from './refusals.ts';
import type { Remote } from './remote.ts';
import { createRemote } from './remote.ts';
import { createTree } from './tree.ts';
import { changedPaths } from './tree-diff.ts';
import type { FetchResult, GitMirror, Tree } from './types.ts';

/**
 * The mirrors of all sources.
 *
 * A **mirror** is one bare repository per source, never shared: what one tenant may read, another may not. `fetched` is
 * the commit that the last fetch brought; the **last good** one is what was taken, by these rules: a fetch that fails,
 * a missing ref, unrelated history or a held force-push leave it as it is. Commits are judged only against earlier
 * ones of the same ref: who configures another branch has said so.
 */
export interface MirrorDeps extends Pick<BasePorts, 'clock' | 'effect' | 'log'> {
  readonly run: Run;
  readonly files: Files;
  readonly startBatch: StartBatch;
  /** Bytes of the files directly in a directory. */
  readonly directoryBytes: (directory: string) => Promise<number>;
  readonly secrets: SourceSecrets;
}

export interface MirrorOptions {
  /** Absolute. */
  readonly mirrorsDirectory: string;
  /** PATH on which git is found. */
  readonly searchPath: string;
  /** Allows file URLs: the hub listens on loopback only. */
  readonly allowLocal: boolean;
  /** Largest mirror; default 4 GiB. */
  readonly maxMirrorBytes?: number;
}

export interface Mirrors {
  /** The mirror of one source; to be disposed of before another of the same source is made. */
  mirror(source: Named & Pick<GitRepository, 'url'>): GitMirror;
}

/** Cost of the cache of parsed trees, in entries: about 100 bytes each. */
const MAX_CACHED_ENTRIES = 400_000;
const DEFAULT_MAX_MIRROR_BYTES = 4 * 1024 ** 3;
const HEAD_NAME_AGE_MS = 10 * 60_000;
const MERGE_BASE_TIMEOUT_MS = 60_000;
const RESTS_AFTER_POLLS = 3;
const BASE_REF = 'refs/drover/base';

export function createMirrors(deps: MirrorDeps, options: MirrorOptions): Mirrors {
  const cache = new LRUCache<string, ParsedTree>({ maxSize: MAX_CACHED_ENTRIES, sizeCalculation: (tree) => tree.entries.length + 1 });
  return { mirror: (source) => createMirror(deps, options, cache, source) };
}

/** A commit that was taken. */
interface Good {
  readonly commit: ParsedCommit;
  readonly key: string;
  /** What the ref itself named: a tag's object, where it is one. */
  readonly raw: string;
  readonly ignore: string | undefined;
  readonly tree: Tree;
}

interface Place {
  readonly gitDirectory: string;
  readonly store: ObjectStore;
}

function createMirror(deps: MirrorDeps, options: MirrorOptions, cache: TreeCache, source: Named & Pick<GitRepository, 'url'>): GitMirror {
  const subject = source.namespace === DEFAULT_NAMESPACE ? `source ${source.name}` : `source ${source.namespace}/${source.name}`;
  const id = sha256Hex(JSON.stringify([source.namespace, source.name, source.url])).slice(0, 32);
  const home = `${options.mirrorsDirectory}/${id}`;
  const maxBytes = options.maxMirrorBytes ?? DEFAULT_MAX_MIRROR_BYTES;
  const log = deps.log.child({ source: `${source.namespace}/${source.name}` });
  const git: Git = createGit({ run: deps.run, searchPath: options.searchPath, home, subject });
  const directory: MirrorDirectory = createMirrorDirectory({ files: deps.files, git, effect: deps.effect, directory: home });
  const maintenance = createMaintenance({ git, log, directoryEntries: (path) => deps.files.list(path) });

  let place: Place | undefined;
  let damaged = false;
  let good: Good | undefined;
  /** What the caller has, from `open` or from an earlier fetch; `key` is undefined when it came from another ref. */
  let known: { readonly sha: string; readonly key: string | undefined } | undefined;
  let approved: string | undefined;
  let head: { readonly name: string | undefined; readonly asked: number } | undefined;
  let relation: { readonly from: string; readonly to: string; readonly is: Relation } | undefined;
  let quietPolls = 0;

  const objects = createMirrorObjects({
    store: () => {
      if (place === undefined) throw new DroverError('GIT_FAILED', subject, 'the mirror is closed');
      return place.store;
    },
    cache,
    mirror: id,
    subject,
    damaged: () => {
      damaged = true;
    },
  });

  function openStore(gitDirectory: string): ObjectStore {
    const env = gitEnvironment({ searchPath: options.searchPath, home, protocol: undefined });
    return createObjectStore({
      subject,
      redact: (text) => redact(text, []),
      start: (listener) => deps.startBatch({ gitDirectory, env }, listener),
    });
  }

  async function opened(signal: AbortSignal): Promise<Place> {
    if (place !== undefined) return place;
    const gitDirectory = await directory.current(signal);
    await maintenance.begin(gitDirectory);
    place ??= { gitDirectory, store: openStore(gitDirectory) };
    return place;
  }

  // --- what is refused before any process starts

  function refuse(spec: GitRepository): void {
    const url = checkUrl(spec.url, { insecure: spec.insecure, local: options.allowLocal });
    if (url !== undefined) throw new DroverError('GIT_URL_REFUSED', subject, url);
    if (spec.url !== source.url) throw new DroverError('UNEXPECTED', subject, 'a mirror serves one URL');
    const ref = checkRef(spec.ref);
    if (ref !== undefined) throw new DroverError('GIT_REF_REFUSED', subject, ref);
  }

  async function remoteOf(spec: GitRepository): Promise<Remote> {
    let credentials: GitCredentials = NO_CREDENTIALS;
    if (spec.secretRef !== undefined) {
      const named = `secret ${spec.namespace}/${spec.secretRef}`;
      const secret = await deps.secrets.read(spec.namespace, spec.secretRef);
      if (secret === undefined) throw new DroverError('SECRET_MISSING', named, 'there is no such secret');
      credentials = gitCredentials(named, secret);
    }
    const { caCertificate } = credentials;
    if (caCertificate === undefined) return createRemote(git, spec, credentials, undefined);
    const caFile = `${home}/ca-${sha256Hex(caCertificate).slice(0, 16)}.crt`;
    if ((await deps.files.read(caFile))?.toString('utf8') !== caCertificate) await deps.files.writeAtomic(caFile, caCertificate);
    return createRemote(git, spec, credentials, caFile);
  }

  // --- fetching

  async function fetchInto(gitDirectory: string, remote: Remote, from: string, to: string, signal: AbortSignal): Promise<GitResult> {
    const bytes = (): Promise<number> => deps.directoryBytes(`${gitDirectory}/objects/pack`);
    let clean = false;
    try {
      const fetching = (limited: AbortSignal): Promise<GitResult> =>
        deps.effect('git-fetch', () => remote.fetch(gitDirectory, from, to, limited));
      const result = await underDiskLimit({ clock: deps.clock, bytes, subject }, maxBytes, fetching, signal);
      clean = result.ok;
      return result;
    } catch (error) {
      // What came is there though it is too much: only cloning anew gets rid of it.
      if (error instanceof DroverError && error.code === 'GIT_TOO_LARGE' && gitDirectory === place?.gitDirectory)
        damaged ||= (await bytes()) > maxBytes;
      throw error;
    } finally {
      if (!clean && !maintenance.busy()) await directory.tidy(gitDirectory);
    }
  }

  /** Brings what the ref names. @returns the object that it names */
  async function fetchRef(gitDirectory: string, remote: Remote, ref: GitRef, signal: AbortSignal): Promise<Fetched> {
    if (ref.type === 'commit' && ref.branch !== undefined) {
      const branch = await fetchInto(gitDirectory, remote, `refs/heads/${ref.branch}`, FETCHED_REF, signal);
      return branch.ok ? { ok: true, raw: ref.sha, tip: await directory.readRef(gitDirectory, FETCHED_REF) } : branch;
    }
    const result = await fetchInto(gitDirectory, remote, remoteRef(ref), FETCHED_REF, signal);
    if (result.ok) return { ok: true, raw: await directory.readRef(gitDirectory, FETCHED_REF), tip: undefined };
    if (ref.type !== 'commit' || result.failure.code !== 'GIT_REF_MISSING') return result;
    // A server may refuse to be asked for a commit: then it has to come with the branches.
    const branches = await fetchInto(gitDirectory, remote, 'refs/heads/*', 'refs/drover/heads/*', signal);
    return branches.ok ? { ok: true, raw: ref.sha, tip: undefined } : branches;
  }

  /** Fetches into the repository in force; when that is damaged, into a new one beside it, which replaces it. */
  async function bring(spec: GitRepository, remote: Remote, signal: AbortSignal): Promise<ParsedCommit & { readonly raw: string }> {
    const { gitDirectory } = await opened(signal);
    if (!damaged) {
      if (spec.ref.type === 'commit' && (await directory.readRef(gitDirectory, goodRef(refKey(spec.ref)))) === spec.ref.sha) {
        const pinned = await objects.commit(spec.ref.sha, signal);
        if (pinned !== undefined) return { ...pinned, raw: spec.ref.sha };
      }
      const fetched = await fetchRef(gitDirectory, remote, spec.ref, signal);
      if (fetched.ok) {
        if (fetched.raw !== undefined && fetched.raw === good?.raw && good.key === refKey(spec.ref))
          return { ...good.commit, raw: fetched.raw };
        const commit = fetched.raw === undefined ? undefined : await objects.commit(fetched.raw, signal);
        if (commit !== undefined && fetched.raw !== undefined) {
          if (spec.ref.type === 'commit') await checkPinned(spec.ref, commit.commit.sha, fetched.tip, remote, signal);
          return { ...commit, raw: fetched.raw };
        }
        if (spec.ref.type === 'commit') throw new DroverError('GIT_REF_MISSING', subject, `the remote has no ${showGitRef(spec.ref)}`);
      } else if (fetched.failure.mirror === 'sound' || (fetched.failure.mirror === 'suspect' && good === undefined)) {
        await refuseEmptied(gitDirectory, spec, remote, fetched, signal);
        throw fetched.error;
      }
    }
    log.warn({ directory: gitDirectory }, 'mirror is damaged: it is cloned anew');
    return await cloneBeside(spec, remote, signal);
  }

  /** @param tip of the branch on which the commit has to be, where one is named */
  async function checkPinned(
    ref: Extract<GitRef, { type: 'commit' }>,
    sha: string,
    tip: string | undefined,
    remote: Remote,
    signal: AbortSignal,
  ): Promise<void> {
    if (sha !== ref.sha) throw new DroverError('GIT_CORRUPT', subject, `the remote sent commit ${sha} for ${ref.sha}`);
    if (tip === undefined || tip === sha || (await relationOf(sha, tip, remote, signal)) === 'forward') return;
    throw new DroverError('GIT_REF_MISSING', subject, `commit ${sha} is not on branch ${ref.branch ?? ''}`);
  }

  /** A ref that is missing in a repository that has none left: emptied, not mistyped. */
  async function refuseEmptied(
    gitDirectory: string,
    spec: GitRepository,
    remote: Remote,
    failed: FetchFailed,
    signal: AbortSignal,
  ): Promise<void> {
    if (failed.failure.code !== 'GIT_REF_MISSING') return;
    const missing = `the remote has no ${showGitRef(spec.ref)}`;
    if (!(await remote.isEmpty(gitDirectory, signal))) throw new DroverError('GIT_REF_MISSING', subject, missing);
    if (good === undefined && known === undefined) throw new DroverError('GIT_REF_MISSING', subject, 'the repository has no commits yet');
    throw new DroverError('GIT_HISTORY_UNRELATED', subject, 'the repository was emptied: it has neither branch nor tag');
  }

  async function cloneBeside(spec: GitRepository, remote: Remote, signal: AbortSignal): Promise<ParsedCommit & { readonly raw: string }> {
    const before = place;
    const gitDirectory = await directory.beside(signal);
    const next: Place = { gitDirectory, store: openStore(gitDirectory) };
    try {
      const fetched = await fetchRef(gitDirectory, remote, spec.ref, signal);
      if (!fetched.ok) throw fetched.error;
      place = next;
      const commit = fetched.raw === undefined ? undefined : await objects.commit(fetched.raw, signal);
      if (commit === undefined || fetched.raw === undefined)
        throw new DroverError('GIT_CORRUPT', subject, 'a new clone does not hold the commit');
      await objects.tree(commit.tree, signal);
      await directory.replace(gitDirectory);
      if (head?.name !== undefined) await writeHeadName(gitDirectory, head.name);
      before?.store.close();
      damaged = false;
      return { ...commit, raw: fetched.raw };
    } catch (error) {
      place = before;
      next.store.close();
      await deps.files.remove(gitDirectory);
      throw error;
    }
  }

  // --- judging

  async function relationOf(from: string, to: string, remote: Remote, signal: AbortSignal): Promise<Relation> {
    if (relation?.from === from && relation.to === to) return relation.is;
    const parentsOf = async (sha: string): Promise<readonly string[] | undefined> => (await objects.commit(sha, signal))?.parents;
    const is = (await isNearAncestor(parentsOf, from, to)) ? 'forward' : await farRelation(from, to, remote, signal);
    relation = { from, to, is };
    return is;
  }

  async function farRelation(from: string, to: string, remote: Remote, signal: AbortSignal): Promise<Relation> {
    const { gitDirectory } = await opened(signal);
    if ((await objects.commit(from, signal)) === undefined) {
      // A new clone need not hold it; the remote may.
      const asked = await fetchInto(gitDirectory, remote, from, BASE_REF, signal);
      if (!asked.ok && asked.failure.code !== 'GIT_REF_MISSING') throw asked.error;
      if (!asked.ok || (await objects.commit(from, signal)) === undefined) return 'unknown';
    }
    const found = await git(['merge-base', from, to], { gitDirectory, protocol: undefined, timeoutMs: MERGE_BASE_TIMEOUT_MS }, signal);
    if (found.ok) return found.stdout.trim() === from ? 'forward' : 'rewritten';
    if (found.exitCode === 1 && found.stderr === '') return 'unrelated';
    if (found.failure.mirror !== 'sound') damaged = true;
    throw found.error;
  }

  /** The commit that a new one is judged against. */
  async function baseOf(key: string, gitDirectory: string): Promise<string | undefined> {
    if (known !== undefined) return known.key === key ? known.sha : undefined;
    return await directory.readRef(gitDirectory, goodRef(key));
  }

  // --- taking

  async function makeTree(spec: GitRepository, commit: ParsedCommit, signal: AbortSignal): Promise<Tree> {
    const files: IgnoreFile[] = [];
    const root = await objects.tree(commit.tree, signal);
    for (const file of IGNORE_FILES) {
      const entry = root.entries.find(({ name, type }) => name === file && type === 'file');
      if (entry !== undefined) files.push({ file, text: (await readIgnores(file, entry.oid, signal)).toString('utf8') });
    }
    if (spec.ignore !== undefined) files.push({ file: 'spec.ignore', text: spec.ignore });
    const rules = files.length === 0 ? {} : { rules: sha256Hex(JSON.stringify(files)) };
    const revision = revisionOf(spec.ref, head?.name, commit.commit.sha);
    return createTree(objects, { commit: commit.commit, revision, root: commit.tree, ignores: compileIgnores(files), ...rules });
  }

  async function readIgnores(file: string, oid: string, signal: AbortSignal): Promise<Buffer> {
    try {
      return await objects.blob(oid, MAX_IGNORE_BYTES, signal);
    } catch (error) {
      if (!(error instanceof DroverError) || error.code !== 'RENDER_LIMIT') throw error;
      throw new DroverError('GIT_TREE_REFUSED', file, error.what, { position: { file } });
    }
  }

  async function keep(key: string, sha: string, gitDirectory: string): Promise<void> {
    if ((await directory.readRef(gitDirectory, goodRef(key))) === sha) return;
    await deps.effect('git-good', () => directory.writeRef(gitDirectory, goodRef(key), sha));
    for (const other of await directory.listRefs(gitDirectory, GOOD_REFS)) {
      if (other !== key) await directory.removeRef(gitDirectory, `${GOOD_REFS}/${other}`);
    }
  }

  async function take(
    spec: GitRepository,
    commit: ParsedCommit & { readonly raw: string },
    warnings: readonly Problem[],
    signal: AbortSignal,
  ): Promise<FetchResult> {
    const key = refKey(spec.ref);
    const { sha } = commit.commit;
    const before = good;
    const reusable =
      before?.commit.commit.sha === sha &&
      before.key === key &&
      before.ignore === spec.ignore &&
      before.tree.revision === revisionOf(spec.ref, head?.name, sha);
    const tree = reusable ? before.tree : await makeTree(spec, commit, signal);
    // Without a tree before, after a mirror was lost, the caller waits for one; other rules show other files.
    const changed = known?.sha !== sha || before === undefined || before.ignore !== spec.ignore;
    let paths: readonly string[] | undefined = [];
    if (changed)
      paths = before === undefined || before.ignore !== spec.ignore ? undefined : await diff(before.commit.tree, commit.tree, signal);
    const { gitDirectory } = await opened(signal);
    await keep(key, sha, gitDirectory);
    good = { commit, key, raw: commit.raw, ignore: spec.ignore, tree };
    known = { sha, key };
    if (approved === sha) approved = undefined;
    if (changed) maintenance.advanced(gitDirectory, warnings.length > 0);
    rest(changed);
    return { tree, changed, changedPaths: paths, problem: undefined, warnings };
  }

  const diff = (from: string, to: string, signal: AbortSignal): Promise<readonly string[] | undefined> =>
    changedPaths((oid) => objects.tree(oid, signal), from, to);

  /** Ends the reading process of a source in which nothing happens. */
  function rest(changed: boolean): void {
    quietPolls = changed ? 0 : quietPolls + 1;
    if (quietPolls >= RESTS_AFTER_POLLS) place?.store.rest();
  }

  // --- after a restart

  /** The last good tree that the disk knows of, for a caller that knows of none. */
  async function restore(spec: GitRepository, signal: AbortSignal): Promise<void> {
    if (good !== undefined || known !== undefined) return;
    const key = refKey(spec.ref);
    const { gitDirectory } = await opened(signal);
    await restoreHeadName(gitDirectory);
    const sha = await directory.readRef(gitDirectory, goodRef(key));
    if (sha !== undefined) good = await openGood(spec, sha, key, signal);
  }

  async function restoreHeadName(gitDirectory: string): Promise<void> {
    const text = (await deps.files.read(`${gitDirectory}/HEAD`))?.toString('utf8').trim();
    const name = text?.startsWith('ref: refs/heads/') === true ? text.slice('ref: refs/heads/'.length) : undefined;
    if (name !== undefined && name !== UNBORN) head ??= { name, asked: Number.NEGATIVE_INFINITY };
  }

  async function openGood(spec: GitRepository, sha: string, key: string, signal: AbortSignal): Promise<Good | undefined> {
    try {
      const commit = await objects.commit(sha, signal);
      if (commit === undefined) return undefined;
      return { commit, key, raw: '', ignore: spec.ignore, tree: await makeTree(spec, commit, signal) };
    } catch (error) {
      if (error instanceof DroverError && error.code === 'GIT_CORRUPT') return undefined;
      throw error;
    }
  }

  const writeHeadName = (gitDirectory: string, name: string): Promise<void> =>
    deps.files.writeAtomic(`${gitDirectory}/HEAD`, `ref: refs/heads/${name}\n`);

  async function refreshHeadName(spec: GitRepository, remote: Remote, gitDirectory: string, signal: AbortSignal): Promise<void> {
    const now = deps.clock.monotonic();
    if (spec.ref.type !== 'head' || (head !== undefined && now - head.asked < HEAD_NAME_AGE_MS)) return;
    // Its failure is the fetch's to tell.
    const name = await remote.headName(gitDirectory, signal).catch(() => undefined);
    if (name === undefined) return;
    if (name !== head?.name) await writeHeadName(gitDirectory, name);
    head = { name, asked: now };
  }

  // --- the two doors

  async function update(spec: GitRepository, signal: AbortSignal): Promise<FetchResult> {
    try {
      refuse(spec);
      await restore(spec, signal);
      const remote = await remoteOf(spec);
      const { gitDirectory } = await opened(signal);
      const naming = refreshHeadName(spec, remote, gitDirectory, signal);
      // A failed fetch does not leave the other process behind.
      const commit = await bring(spec, remote, signal).finally(() => naming.catch(() => undefined));
      await naming;
      const { sha } = commit.commit;
      const base = await baseOf(refKey(spec.ref), gitDirectory);
      if (base === undefined || base === sha) return await take(spec, commit, [], signal);
      const is = await relationOf(base, sha, remote, signal);
      const verdict = judgeHistory(subject, { relation: is, from: base, to: sha, forcePush: spec.forcePush, approved: approved === sha });
      if (verdict.type === 'take') return await take(spec, commit, verdict.warnings, signal);
      return kept(verdict.problem);
    } catch (error) {
      signal.throwIfAborted();
      return kept(DroverError.from(error, subject).toProblem());
    }
  }

  const kept = (problem: Problem): FetchResult => ({ tree: good?.tree, changed: false, changedPaths: [], problem, warnings: [] });

  const fetch = coalesce(update);
  return {
    fetch,
    approve(sha) {
      approved = sha;
    },
    async open(spec, sha, signal) {
      refuse(spec);
      if (!/^[0-9a-f]{40}$/.test(sha)) return undefined;
      const key = refKey(spec.ref);
      const { gitDirectory } = await opened(signal);
      await restoreHeadName(gitDirectory);
      const kinds = await directory.listRefs(gitDirectory, GOOD_REFS);
      // Kept for another ref: the source was told to follow this one meanwhile.
      known = { sha, key: kinds.length === 0 || kinds.includes(key) ? key : undefined };
      good = await openGood(spec, sha, key, signal);
      return good?.tree;
    },
    async changedPaths(from, to, signal) {
      await opened(signal);
      const [before, after] = [await objects.commit(from, signal), await objects.commit(to, signal)];
      return before === undefined || after === undefined ? undefined : await diff(before.tree, after.tree, signal);
    },
    async [Symbol.asyncDispose]() {
      await fetch[Symbol.asyncDispose]();
      await maintenance[Symbol.asyncDispose]();
      place?.store.close();
      place = undefined;
    },
  };
}

type FetchFailed = Extract<GitResult, { ok: false }>;
type Fetched = { readonly ok: true; readonly raw: string | undefined; readonly tip: string | undefined } | FetchFailed;
