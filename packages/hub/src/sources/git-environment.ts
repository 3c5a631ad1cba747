import type { Protocol } from './refusals.ts';

/** The closed environment of every git that the hub starts (faults.md T10). */
export interface GitEnvironmentOptions {
  /** Where git is found. */
  readonly searchPath: string;
  /** An empty directory of ours: git reads no configuration from it. */
  readonly home: string;
  /** The one protocol that may be spoken; undefined: none. */
  readonly protocol: Protocol | undefined;
  /** Further configuration, credentials included: it travels in the environment, never in arguments. */
  readonly config?: readonly (readonly [key: string, value: string])[];
}

/** Objects that git's own strictness refuses though they are harmless and old histories are full of them. */
const TOLERATED = [
  'zeroPaddedFilemode',
  'missingSpaceBeforeDate',
  'badTimezone',
  'missingNameBeforeEmail',
  'missingSpaceBeforeEmail',
  'badEmail',
];

const CONFIG: readonly (readonly [string, string])[] = [
  ['protocol.ext.allow', 'never'],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.askPass', ''],
  ['core.alternateRefsCommand', 'false'],
  ['core.logAllRefUpdates', 'false'],
  // A mirror is a cache that is cloned anew when it is damaged.
  ['core.fsync', 'none'],
  // Larger blobs are streamed, not held in memory.
  ['core.bigFileThreshold', '16m'],
  ['credential.helper', ''],
  ['transfer.fsckObjects', 'true'],
  ['transfer.credentialsInUrl', 'die'],
  ['transfer.bundleURI', 'false'],
  // Whatever arrives, arrives as a pack: its size can be watched in one directory.
  ['fetch.unpackLimit', '1'],
  ['fetch.recurseSubmodules', 'false'],
  ['fetch.writeCommitGraph', 'false'],
  ['submodule.recurse', 'false'],
  ['http.followRedirects', 'false'],
  ['http.sslVerify', 'true'],
  ['gc.auto', '0'],
  ['gc.packRefs', 'false'],
  ['maintenance.auto', 'false'],
  ['pack.threads', '1'],
  ...TOLERATED.map((id) => [`fetch.fsck.${id}`, 'ignore'] as const),
];

/** Largest piece of memory that git may ask for at once: a bomb ends git, not the hub. */
const MAX_ALLOCATION = '1g';

export function gitEnvironment(options: GitEnvironmentOptions): Readonly<Record<string, string>> {
  const config = [...CONFIG, ...(options.config ?? [])];
  const env: Record<string, string> = {
    PATH: options.searchPath,
    HOME: options.home,
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // An empty list allows nothing.
    GIT_ALLOW_PROTOCOL: options.protocol ?? '',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_DEFAULT_HASH: 'sha1',
    GIT_DEFAULT_REF_FORMAT: 'files',
    GIT_ALLOC_LIMIT: MAX_ALLOCATION,
    GIT_CONFIG_COUNT: String(config.length),
  };
  for (const [index, [key, value]] of config.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return env;
}
