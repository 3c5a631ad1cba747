import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { Clock, Random } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Files } from '#ports';
import { keyDigest, makeAuthority } from './certificates-adapter.ts';
import { makeNatsKeys } from './nats-keys.ts';
import type { FleetKeys } from './types.ts';

/**
 * The keys of a fleet on disk: one file, written once and as a whole, so that half a fleet cannot exist. The CA's
 * certificate lies beside it for those who want to see it; it is read from nowhere.
 */
const FORMAT = 'drover.keys/1';
const FILE = 'fleet.json';

interface StoredKeys {
  readonly format: typeof FORMAT;
  readonly fleet: string;
  /** base64 */
  readonly secret: string;
  /** PKCS #8, PEM. */
  readonly headKeys: readonly string[];
  readonly ca: { readonly certificate: string; readonly key: string };
  readonly nats: FleetKeys['nats'];
}

interface Deps {
  readonly files: Files;
  readonly random: Random;
  readonly clock: Clock;
  /** `<data>/keys`, absolute. */
  readonly directory: string;
}

/** @throws DroverError STORE_FAILED when the folder already holds the keys of a fleet: they are never replaced */
export async function initFleet(deps: Deps): Promise<FleetKeys> {
  if ((await deps.files.read(`${deps.directory}/${FILE}`)) !== undefined) {
    throw new DroverError('STORE_FAILED', `${deps.directory}/${FILE}`, 'it already holds the keys of a fleet; they are never replaced');
  }
  const now = deps.clock.now();
  const fleet = deps.random.uuid();
  const ca = await makeAuthority(deps.random, fleet, now);
  const stored: StoredKeys = {
    format: FORMAT,
    fleet,
    secret: Buffer.from(deps.random.bytes(32)).toString('base64'),
    headKeys: [generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    ca: { certificate: ca.certificatePem, key: ca.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    nats: makeNatsKeys(now),
  };
  await deps.files.makeDirectory(deps.directory, 0o700);
  await deps.files.writeAtomic(`${deps.directory}/ca.pem`, stored.ca.certificate, 0o600);
  await deps.files.writeAtomic(`${deps.directory}/${FILE}`, `${JSON.stringify(stored, undefined, 2)}\n`, 0o600);
  return keysOf(stored);
}

/**
 * @returns undefined when the folder holds no fleet
 * @throws DroverError STORE_FAILED when the file is damaged, STORE_NEWER when a newer hub wrote it
 */
export async function loadFleet(deps: Pick<Deps, 'files' | 'directory'>): Promise<FleetKeys | undefined> {
  const path = `${deps.directory}/${FILE}`;
  const bytes = await deps.files.read(path);
  if (bytes === undefined) return undefined;
  let stored: StoredKeys;
  try {
    stored = JSON.parse(bytes.toString('utf8')) as StoredKeys;
  } catch {
    throw new DroverError('STORE_FAILED', path, 'it is damaged; restore it from a backup');
  }
  if (stored?.format !== FORMAT) throw new DroverError('STORE_NEWER', path, `it is not of format ${FORMAT}`);
  try {
    return keysOf(stored);
  } catch {
    // The cause may quote key material.
    throw new DroverError('STORE_FAILED', path, 'it is damaged; restore it from a backup');
  }
}

/** The keys on disk, made now if there are none. */
export async function openFleet(deps: Deps): Promise<FleetKeys> {
  return (await loadFleet(deps)) ?? (await initFleet(deps));
}

function keysOf(stored: StoredKeys): FleetKeys {
  const privateKey = createPrivateKey(stored.ca.key);
  const secret = new Uint8Array(Buffer.from(stored.secret, 'base64'));
  if (secret.length !== 32 || stored.headKeys.length === 0) throw new RangeError('incomplete');
  return {
    fleet: stored.fleet,
    secret,
    headKeys: stored.headKeys.map((pem) => createPrivateKey(pem)),
    ca: { certificatePem: stored.ca.certificate, privateKey, keyDigest: keyDigest(createPublicKey(privateKey)) },
    nats: stored.nats,
  };
}
