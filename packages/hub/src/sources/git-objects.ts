import type { Commit, TreeEntry } from './types.ts';

/** Git's objects from their raw bytes. Everything here is pure; bytes come from a repository that nobody trusts. */

/** An entry of a raw tree that no program may be given (faults.md B33). */
export interface RefusedEntry {
  readonly name: string;
  readonly why: string;
}

export interface ParsedTree {
  /** In order of their names, not in git's order. */
  readonly entries: readonly TreeEntry[];
  readonly refused: readonly RefusedEntry[];
}

const TYPES: Readonly<Record<string, TreeEntry['type']>> = {
  '40000': 'directory',
  '040000': 'directory',
  '100644': 'file',
  '100664': 'file',
  '100755': 'file',
  '120000': 'symlink',
  '160000': 'submodule',
};

/** Control characters and those that turn the direction of text. */
// oxlint-disable-next-line no-control-regex -- these are what is taken out
const INVISIBLE_OR_CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g;

const OID_BYTES = 20;
const SPACE = 0x20;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a tree object: entries `<mode> <name>\0<20 bytes>`.
 *
 * @returns undefined when the bytes are no tree
 * @see https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects
 */
export function parseTree(bytes: Buffer): ParsedTree | undefined {
  const entries: TreeEntry[] = [];
  const refused: RefusedEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    const end = space < 0 ? -1 : bytes.indexOf(0, space);
    if (end < 0 || end + 1 + OID_BYTES > bytes.length) return undefined;
    const mode = bytes.toString('latin1', at, space);
    const raw = bytes.subarray(space + 1, end);
    const oid = bytes.toString('hex', end + 1, end + 1 + OID_BYTES);
    at = end + 1 + OID_BYTES;
    const name = decodeName(raw);
    const type = TYPES[mode];
    const why = name === undefined ? 'its name is not UTF-8' : type === undefined ? `its mode is ${mode.slice(0, 8)}` : refusalOf(name);
    if (why !== undefined) refused.push({ name: showName(raw), why });
    else if (name !== undefined && type !== undefined) entries.push({ name, type, oid });
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { entries, refused };
}

function decodeName(raw: Buffer): string | undefined {
  try {
    return utf8.decode(raw);
  } catch {
    return undefined;
  }
}

/** A name as it can be printed: quoted, with escapes. */
export function showName(raw: Buffer | string): string {
  const text = typeof raw === 'string' ? raw : raw.toString('utf8');
  const quoted = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  return quoted.replaceAll(INVISIBLE_OR_CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// Code points that HFS+ leaves out when it compares names: `.g\u200cit` is `.git` there.
const INVISIBLE = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

function refusalOf(name: string): string | undefined {
  if (name === '') return 'its name is empty';
  if (name === '.' || name === '..') return 'it climbs out of its directory';
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return 'its name holds a control character';
    if (code === 0x2f || code === 0x5c) return 'its name holds a slash or backslash';
  }
  // NTFS reads `.git `, `.git.`, `.git::$INDEX_ALLOCATION` and the short name `git~1` as `.git`.
  const folded = name.replaceAll(INVISIBLE, '').toLowerCase();
  const base = (folded.split(':')[0] ?? '').replace(/[. ]+$/, '');
  if (base === '.git' || base === 'git~1') return 'its name is an alias of .git';
  return undefined;
}

/** Entries that a file system without letter case, or with normalised names, would take for one another. */
export function collidingNames(entries: readonly TreeEntry[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const { name } of entries) {
    const folded = name.normalize('NFC').toLowerCase().normalize('NFC');
    const other = seen.get(folded);
    if (other !== undefined) return [other, name];
    seen.set(folded, name);
  }
  return undefined;
}

export interface ParsedCommit {
  readonly commit: Commit;
  readonly tree: string;
  readonly parents: readonly string[];
}

const MAX_SUBJECT = 200;
const PERSON = /^(.*?) ?<([^<>]*)> (-?\d{1,15})(?: [+-]\d{4})?$/;

/**
 * Parses a commit object. `author` is `Name <address>`, `time` the committer's.
 *
 * @returns undefined when the bytes are no commit
 */
export function parseCommit(sha: string, bytes: Buffer): ParsedCommit | undefined {
  const text = bytes.toString('utf8');
  const gap = text.indexOf('\n\n');
  const headers = gap < 0 ? text : text.slice(0, gap);
  let tree: string | undefined;
  let author = '';
  let time = 0;
  const parents: string[] = [];
  for (const line of headers.split('\n')) {
    const space = line.indexOf(' ');
    const value = line.slice(space + 1);
    // The first of each counts, as in git; a continuation line starts with a space.
    if (line.startsWith('tree ') && tree === undefined) tree = value;
    else if (line.startsWith('parent ')) parents.push(value);
    else if (line.startsWith('author ') && author === '') author = showPerson(value);
    else if (line.startsWith('committer ') && time === 0) time = Number(PERSON.exec(value)?.[3] ?? 0) * 1000;
  }
  if (tree === undefined || ![tree, ...parents].every((oid) => /^[0-9a-f]{40}$/.test(oid))) return undefined;
  const message = gap < 0 ? '' : text.slice(gap + 2).trimStart();
  const subject = printable(message.split('\n', 1)[0] ?? '').slice(0, MAX_SUBJECT);
  return { commit: { sha, subject, author, time }, tree, parents };
}

function showPerson(value: string): string {
  const match = PERSON.exec(value);
  return printable(match === null ? value : `${match[1]} <${match[2]}>`).slice(0, MAX_SUBJECT);
}

/** Text without control characters: what a commit says ends up on terminals. */
export function printable(text: string): string {
  return text.replaceAll(INVISIBLE_OR_CONTROL, ' ').trim();
}

const LFS = Buffer.from('version https://git-lfs.github.com/spec/');

/** Tells whether a file is a pointer of git-lfs, whose content is elsewhere (faults.md B32). */
export function isLfsPointer(bytes: Uint8Array): boolean {
  return bytes.length < 1024 && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(0, LFS.length).equals(LFS);
}
