import { DroverError } from '@drover/contract';
import { LRUCache } from 'lru-cache';
import type { Tree, TreeEntry } from '#sources/types.ts';
import { createCoalescer } from './coalescer.ts';
import { baseOf, joinPath, parentOf } from './paths.ts';
import type { ReadLog } from './reads.ts';

/** A path with its symbolic links followed. */
export interface Resolved {
  /** Without links in it. */
  readonly path: string;
  readonly entry: TreeEntry;
}

/** A tree whose entries are remembered for as long as the tree itself: thousands of overlays ask for the same ones. */
export interface TreeView {
  readonly tree: Tree;
  /** Undefined when the entry was not asked for yet; `null` when it is absent. */
  known(path: string): TreeEntry | null | undefined;
  entry(path: string, signal: AbortSignal): Promise<TreeEntry | undefined>;
  /** Sorted by name; undefined when it is absent or no directory. */
  list(path: string, signal: AbortSignal): Promise<readonly TreeEntry[] | undefined>;
  /**
   * Follows links inside the repository and logs every name looked at.
   *
   * @param links filled with each link met and the path it stands for
   * @returns undefined when the path is absent
   * @throws DroverError RENDER_PATH_REFUSED for a link that leads out or in a loop, and for a submodule
   */
  resolve(path: string, reads: ReadLog, links: Map<string, string>, signal: AbortSignal): Promise<Resolved | undefined>;
}

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;
/** Longest target of a link that Linux knows. */
const MAX_TARGET_BYTES = 4096;

/** Entries of directories that are kept for later commits: most directories of a commit are those of the one before. */
const KEPT_ENTRIES = 500_000;

type Listing = ReadonlyMap<string, TreeEntry>;

export function createTreeViews(): (tree: Tree) => TreeView {
  const views = new WeakMap<Tree, TreeView>();
  const kept = new LRUCache<string, Listing>({ maxSize: KEPT_ENTRIES, sizeCalculation: (listing) => listing.size + 1 });
  return (tree) => {
    let view = views.get(tree);
    if (view === undefined) views.set(tree, (view = createTreeView(tree, kept)));
    return view;
  };
}

function createTreeView(tree: Tree, kept: LRUCache<string, Listing>): TreeView {
  const listings = new Map<string, Listing | null>();
  const reading = createCoalescer<Listing | null>();
  let root: TreeEntry | null | undefined;

  function known(path: string): TreeEntry | null | undefined {
    if (path === '') return root;
    const listing = listings.get(parentOf(path));
    return listing === undefined || listing === null ? listing : (listing.get(baseOf(path)) ?? null);
  }

  async function entry(path: string, signal: AbortSignal): Promise<TreeEntry | undefined> {
    const found = known(path);
    if (found !== undefined) return found ?? undefined;
    if (path === '') {
      const top = await tree.entry('', signal);
      root = top ?? null;
      return top;
    }
    await listing(parentOf(path), signal);
    return known(path) ?? undefined;
  }

  async function listing(directory: string, signal: AbortSignal): Promise<Listing | null> {
    const known = listings.get(directory);
    if (known !== undefined) return known;
    // many overlays ask for one directory at the same time
    const listed = await reading(directory, signal, () => read(directory, signal));
    listings.set(directory, listed);
    return listed;
  }

  async function read(directory: string, signal: AbortSignal): Promise<Listing | null> {
    const at = await entry(directory, signal);
    if (at?.type !== 'directory') return null;
    // what is ignored depends on the path, what is there on the object alone
    const key = tree.rules === undefined ? at.oid : `${at.oid} ${tree.rules} ${directory}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const entries = await tree.list(directory, signal);
    if (entries === undefined) return null;
    const listed = new Map(entries.map((one) => [one.name, one]));
    kept.set(key, listed);
    return listed;
  }

  async function list(path: string, signal: AbortSignal): Promise<readonly TreeEntry[] | undefined> {
    const listed = await listing(path, signal);
    return listed === null ? undefined : [...listed.values()];
  }

  async function resolve(path: string, reads: ReadLog, links: Map<string, string>, signal: AbortSignal): Promise<Resolved | undefined> {
    const plain = await entry(path, signal);
    // the common case in one step: an entry that is there has no link above it
    if (plain !== undefined && plain.type !== 'symlink' && plain.type !== 'submodule') {
      if (plain.type === 'file') reads.add(path, plain.oid);
      return { path, entry: plain };
    }
    let rest = path.split('/');
    let at = '';
    for (let followed = 0; ;) {
      const next = at === '' ? (rest[0] ?? '') : `${at}/${rest[0] ?? ''}`;
      const found = await entry(next, signal);
      // a directory is told by what is read in it, so it is no read itself
      if (found === undefined || found.type !== 'directory') reads.add(next, found?.oid ?? null);
      if (found === undefined) return undefined;
      if (found.type === 'submodule') throw refuse(next, 'is a submodule: its content is not part of this repository');
      if (found.type === 'symlink') {
        if (++followed > MAX_LINKS) throw refuse(path, `leads through more than ${MAX_LINKS} symbolic links, or in a loop`);
        const target = (await tree.read(found.oid, signal, MAX_TARGET_BYTES)).toString('utf8');
        const to = target.startsWith('/') ? undefined : joinPath(parentOf(next), target);
        if (to === undefined) throw refuse(next, 'is a symbolic link that leads out of the repository');
        links.set(next, to);
        rest = [...to.split('/').filter((name) => name !== ''), ...rest.slice(1)];
        at = '';
        if (rest.length === 0) return { path: '', entry: (await entry('', signal)) ?? found };
        continue;
      }
      if (rest.length === 1) return { path: next, entry: found };
      if (found.type === 'file') return undefined;
      at = next;
      rest = rest.slice(1);
    }
  }

  return { tree, known, entry, list, resolve };
}

function refuse(path: string, what: string): DroverError {
  return new DroverError('RENDER_PATH_REFUSED', path, what, { position: { file: path } });
}
