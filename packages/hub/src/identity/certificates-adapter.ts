import 'reflect-metadata';
import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Extension } from '@peculiar/x509';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { Random } from '@drover/contract';
import { clusterUri, DroverError, parseClusterUri } from '@drover/contract';

/**
 * The fleet's certificates. One authority signs the hub's listeners (and nats-server), and the agents: those for 24
 * hours, with one name, the URI of fleet and cluster UID. ECDSA P-256 throughout. Every field of a certificate is
 * written here; a request only proves that its sender holds the key.
 */
export interface Authority {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
}

export interface ServerCertificate {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
}

/** What an agent's certificate says; validity is not judged. */
export interface AgentCertificate {
  readonly uid: string;
  readonly publicKey: KeyObject;
  readonly keyDigest: string;
  /** Epoch ms. */
  readonly notAfter: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const AGENT_CERTIFICATE_MS = DAY_MS;
/** After its certificate has expired an agent may still renew for this long. */
export const RENEW_GRACE_MS = 90 * DAY_MS;
const AUTHORITY_MS = 20 * 365 * DAY_MS;
/** Made anew at each start of the hub. */
const SERVER_MS = 800 * DAY_MS;
/** Certificates count from before they were made: clocks differ. */
const SKEW_MS = HOUR_MS;
const MAX_CSR_BYTES = 4096;

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** SHA-256 of the key's SPKI, hex. */
export function keyDigest(key: KeyObject): string {
  return createHash('sha256').update(spki(key)).digest('hex');
}

export async function makeAuthority(random: Random, fleet: string, now: number): Promise<Authority> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificatePem = await issue(random, {
    subject: `CN=Drover fleet ${fleet}`,
    issuer: `CN=Drover fleet ${fleet}`,
    publicKey,
    signingKey: privateKey,
    notBefore: now - SKEW_MS,
    notAfter: now + AUTHORITY_MS,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey.toCryptoKey(EC, true, ['verify'])),
    ],
  });
  return { certificatePem, privateKey };
}

/** @param names host names and IP addresses by which clients dial, besides the loopback's */
export async function issueServerCertificate(
  random: Random,
  ca: Authority,
  names: readonly string[],
  now: number,
): Promise<ServerCertificate> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const all = [...new Set([...names, 'localhost', '127.0.0.1', '::1'])];
  const certificatePem = await issue(random, {
    subject: 'CN=drover hub',
    issuer: new X509Certificate(ca.certificatePem).subject,
    publicKey,
    signingKey: ca.privateKey,
    notBefore: now - SKEW_MS,
    notAfter: now + SERVER_MS,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(all.map((value) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value }))),
    ],
  });
  return { certificatePem, privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** @param agent `publicKey`: P-256, proven to be the agent's */
export async function issueAgentCertificate(
  random: Random,
  ca: Authority,
  agent: { readonly fleet: string; readonly uid: string; readonly publicKey: KeyObject },
  now: number,
): Promise<string> {
  return issue(random, {
    subject: `CN=${agent.uid}`,
    issuer: new X509Certificate(ca.certificatePem).subject,
    publicKey: agent.publicKey,
    signingKey: ca.privateKey,
    notBefore: now - SKEW_MS,
    notAfter: now + AGENT_CERTIFICATE_MS,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: 'url', value: clusterUri(agent.fleet, agent.uid) }]),
    ],
  });
}

/**
 * The key of a certificate request whose signature holds.
 *
 * @throws DroverError JOIN_REFUSED when it is damaged, asks for anything, or has another kind of key
 */
export async function readCsr(der: Uint8Array): Promise<KeyObject> {
  if (der.length > MAX_CSR_BYTES) throw refused(`it has ${der.length} bytes, at most ${MAX_CSR_BYTES}`);
  let key: KeyObject;
  let attributes: number;
  let holds: boolean;
  try {
    const csr = new Pkcs10CertificateRequest(new Uint8Array(der));
    key = createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: 'der', type: 'spki' });
    attributes = csr.attributes.length + csr.extensions.length;
    holds = await csr.verify();
  } catch (thrown) {
    throw refused('it cannot be read', thrown);
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw refused('its key is not of P-256');
  if (attributes > 0) throw refused('it asks for extensions; the hub alone decides what a certificate says');
  if (!holds) throw refused('its signature does not hold');
  return key;
}

/**
 * Reads an agent's certificate, whether or not it is still valid.
 *
 * @throws DroverError CLUSTER_UNKNOWN when this fleet's authority did not sign it or it names no cluster
 */
export function readAgentCertificate(ca: Pick<Authority, 'privateKey'>, fleet: string, der: Uint8Array): AgentCertificate {
  let certificate: X509Certificate;
  let signed: boolean;
  try {
    certificate = new X509Certificate(der);
    signed = certificate.verify(createPublicKey(ca.privateKey));
  } catch (thrown) {
    throw new DroverError('CLUSTER_UNKNOWN', 'certificate', 'it cannot be read', { cause: thrown });
  }
  if (!signed) throw new DroverError('CLUSTER_UNKNOWN', 'certificate', 'it was not signed by the authority of this fleet');
  const name = parseClusterUri(/^URI:([^,\s]+)$/.exec(certificate.subjectAltName ?? '')?.[1] ?? '');
  if (name?.fleet !== fleet) throw new DroverError('CLUSTER_UNKNOWN', 'certificate', 'it names no cluster of this fleet');
  const { publicKey } = certificate;
  return { uid: name.uid, publicKey, keyDigest: keyDigest(publicKey), notAfter: certificate.validToDate.getTime() };
}

interface Template {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly Extension[];
}

async function issue(random: Random, template: Template): Promise<string> {
  const serial = random.bytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: Buffer.from(serial).toString('hex'),
    subject: template.subject,
    issuer: template.issuer,
    notBefore: new Date(template.notBefore),
    notAfter: new Date(template.notAfter),
    publicKey: createPublicKey({ key: spki(template.publicKey), format: 'der', type: 'spki' }).toCryptoKey(EC, true, ['verify']),
    signingKey: template.signingKey.toCryptoKey(EC, false, ['sign']),
    signingAlgorithm: SIGNING,
    extensions: [...template.extensions],
  });
  return `${certificate.toString('pem')}\n`;
}

function spki(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) || name.includes(':');
}

function refused(what: string, cause?: unknown): DroverError {
  return new DroverError('JOIN_REFUSED', 'certificate request', what, { cause });
}
