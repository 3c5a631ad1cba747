import type { Code } from '@drover/contract';

/** Why a git command failed: the code users see, and whether our own mirror may be what is broken. */
export interface GitFailure {
  readonly code: Code;
  /** The mirror's own objects or files are damaged: cloning anew may help. */
  readonly mirror: 'sound' | 'suspect' | 'damaged';
}

type Row = readonly [pattern: RegExp, code: Code, mirror?: GitFailure['mirror']];

/**
 * Read from the top: the first that matches decides. Messages are git's own and curl's under LC_ALL=C. What begins with
 * `remote:` was written by the remote and decides nothing.
 */
const TABLE: readonly Row[] = [
  [/transport '[^']*' not allowed|is not allowed|credentials .* in URL|uses plaintext credentials/i, 'GIT_URL_REFUSED'],
  [/No space left on device|Disk quota exceeded|Read-only file system|Too many open files/i, 'STORE_FAILED'],
  [/attempting to allocate|exceeds maximum allowed size|Out of memory|cannot allocate/i, 'GIT_TOO_LARGE'],
  [/couldn't find remote ref|not our ref|unadvertised object|no such remote ref|Server does not allow request/i, 'GIT_REF_MISSING'],
  [/returned error: 40[13]|Authentication failed|could not read (?:Username|Password)|terminal prompts disabled/i, 'GIT_AUTH'],
  [/returned error: 30\d|redirect/i, 'GIT_UNREACHABLE'],
  [
    /not a git repository: |bad config|object file .* is empty|loose object .* is corrupt|packed object .* is corrupt/i,
    'GIT_CORRUPT',
    'damaged',
  ],
  [
    /packfile .* (?:is|cannot|does|index|claims|has)|bad object refs\/|refs\/\S* does not point to a valid object/i,
    'GIT_CORRUPT',
    'damaged',
  ],
  [
    /index file .* (?:is|too)|garbage at end of|unable to (?:read|find) (?:sha1 file|[0-9a-f]{40})|bad tree object/i,
    'GIT_CORRUPT',
    'damaged',
  ],
  [
    /failed to (?:traverse parents|read object)|could not (?:parse|read) (?:commit )?[0-9a-f]{40}|invalid sha1 pointer|missing (?:blob|tree|commit)/i,
    'GIT_CORRUPT',
    'damaged',
  ],
  [/did not send all necessary objects|unresolved deltas?|bad object/i, 'GIT_CORRUPT', 'suspect'],
  [/error: object [0-9a-f]{40}: [A-Za-z]+: |fsck error/i, 'GIT_TREE_REFUSED'],
  [
    /early EOF|invalid index-pack output|index-pack (?:died|failed)|bad pack|pack (?:has|is|signature)|inflate|unexpected disconnect|protocol error/i,
    'GIT_CORRUPT',
  ],
  [/transfer closed|RPC failed|bad line length|expected (?:flush|ACK)|remote end hung up|unexpected end|the remote end/i, 'GIT_CORRUPT'],
  [
    /invalid server response|not valid: is this a git repository|bad band|unknown (?:capability|object format)|mismatched algorithms/i,
    'GIT_UNREACHABLE',
  ],
  [
    /Could not resolve|Failed to connect|Couldn't connect|Connection (?:refused|reset|timed out)|Empty reply|SSL|certificate|TLS/i,
    'GIT_UNREACHABLE',
  ],
  [
    /unable to access|returned error: \d|not found|does not appear to be a git repository|Could not read from remote|Operation too slow/i,
    'GIT_UNREACHABLE',
  ],
];

/** Judges the standard error of a git that failed. */
export function classifyGitFailure(stderr: string): GitFailure {
  const own = stderr
    .split(/[\r\n]+/)
    .filter((line) => !line.startsWith('remote:'))
    .join('\n');
  for (const [pattern, code, mirror = 'sound'] of TABLE) if (pattern.test(own)) return { code, mirror };
  return { code: 'GIT_FAILED', mirror: 'sound' };
}
