/**
 * What of a user's words may come near git, judged before any process starts (faults.md T10, B36, B37). All functions
 * are pure and return undefined, or what is wrong in one sentence that never repeats a URL: it may hold credentials.
 */
export interface UrlRules {
  /** Allows http. */
  readonly insecure: boolean;
  /** Allows file: only for `--source` while the hub listens on loopback. */
  readonly local: boolean;
}

/** The protocols that git may be allowed, one per source. */
export type Protocol = 'https' | 'http' | 'file';

const MAX_URL = 2048;
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//;
const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?)(?::(\d{1,5}))?$/i;
const REMOTE_PATH = /^\/[A-Za-z0-9._~/%+@,=:-]*$/;
const LOCAL_PATH = /^\/[A-Za-z0-9._~/%+@,=:!$&'()*;-]+$/;
const ENCODED = /%([0-9a-f]{2})?/gi;

/** Judges the URL of a source: `https://host[:port]/path`; http and file where the rules allow it. */
export function checkUrl(url: string, rules: UrlRules): string | undefined {
  if (url.length > MAX_URL) return `the URL is longer than ${MAX_URL} characters`;
  const scheme = SCHEME.exec(url)?.[1];
  if (scheme === undefined) return 'the URL has no scheme; write https://host/path';
  if (scheme === 'http' && !rules.insecure) return 'http is refused without insecure: true';
  if (scheme === 'file' && !rules.local) return 'file is refused; it serves only --source with a hub on loopback';
  if (scheme !== 'https' && scheme !== 'http' && scheme !== 'file')
    return `scheme ${scheme.slice(0, 20)} is refused; write https://host/path`;
  const rest = url.slice(scheme.length + 3);
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? '/' : rest.slice(slash);
  if (authority.includes('@')) return 'the URL holds credentials; put them into secretRef';
  const wrong = scheme === 'file' ? checkFilePath(authority, path) : checkRemote(authority, path);
  return wrong ?? checkEncoded(path);
}

function checkRemote(authority: string, path: string): string | undefined {
  const match = AUTHORITY.exec(authority);
  if (match === null || authority.includes('..')) return 'the URL has no plain host name';
  if (match[1] !== undefined && (Number(match[1]) > 65_535 || Number(match[1]) === 0)) return 'the URL has no valid port';
  if (!REMOTE_PATH.test(path)) return 'the path of the URL holds a character that is refused (a query, a blank, a quote or the like)';
  return undefined;
}

function checkFilePath(authority: string, path: string): string | undefined {
  if (authority !== '') return 'a file URL names no host; write file:///absolute/path';
  return LOCAL_PATH.test(path) ? undefined : 'the path of the file URL is not percent-encoded';
}

function checkEncoded(path: string): string | undefined {
  for (const [text, digits] of path.matchAll(ENCODED)) {
    if (digits === undefined) return 'the URL holds a % that starts no escape';
    const byte = Number.parseInt(digits, 16);
    if (byte < 0x20 || byte === 0x7f) return `the URL holds the escape ${text}`;
  }
  const plain = path.replaceAll(/%2e/gi, '.').replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '/');
  if (plain.split('/').includes('..')) return 'the path of the URL climbs by `..`';
  if (plain.split('/').some((part) => part.startsWith('-'))) return 'a segment of the URL starts with a dash';
  return undefined;
}

/** The protocol of a URL that {@link checkUrl} accepted. */
export function protocolOf(url: string): Protocol {
  return url.startsWith('https:') ? 'https' : url.startsWith('http:') ? 'http' : 'file';
}

const REF = /^[A-Za-z0-9._/+@#=%,-]+$/;

/**
 * Judges the short name of a branch or tag: `main`, `release/1.2`.
 *
 * @see https://git-scm.com/docs/git-check-ref-format
 */
export function checkRefName(name: string): string | undefined {
  if (name === '') return 'the name is empty';
  if (name.length > 200) return 'the name is longer than 200 characters';
  if (!REF.test(name)) return 'the name holds a character that is refused; letters, digits and . _ / + @ # = % , - are allowed';
  if (name === '@') return 'the name is @';
  if (name.startsWith('refs/')) return 'write the short name, without refs/heads/ or refs/tags/';
  for (const part of name.split('/')) {
    if (part === '') return 'the name starts or ends with a slash, or has two in a row';
    if (part.startsWith('-')) return 'a part of the name starts with a dash';
    if (part.startsWith('.') || part.endsWith('.')) return 'a part of the name starts or ends with a dot';
    if (part.endsWith('.lock')) return 'a part of the name ends with .lock';
  }
  if (name.includes('..') || name.includes('@{')) return 'the name holds `..` or `@{`';
  return undefined;
}

/** Judges a commit: 40 hex digits in lower case. */
export function checkCommit(sha: string): string | undefined {
  return /^[0-9a-f]{40}$/.test(sha) ? undefined : 'a commit is written with 40 hex digits in lower case';
}

/**
 * Judges a path inside a tree: relative, `/`-separated, without empty parts, `.`, `..`, backslashes or control
 * characters; `''` is the root.
 */
export function checkTreePath(path: string): string | undefined {
  if (path === '') return undefined;
  if (path.length > 4096) return 'the path is longer than 4096 characters';
  if (path.startsWith('/')) return 'the path is absolute';
  if (!path.isWellFormed()) return 'the path is no valid text';
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index);
    if (code < 0x20 || code === 0x7f || code === 0x5c) return 'the path holds a control character or a backslash';
  }
  for (const part of path.split('/')) {
    if (part === '') return 'the path has an empty part';
    if (part === '.' || part === '..') return `the path holds \`${part}\``;
  }
  return undefined;
}
