// What the programs of a cluster read from disk.

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ClusterFiles {
  readonly dir: string;
  readonly certificates: string;
  /** Serving certificate followed by the authority the API server made for itself: trusting it proves who answers. */
  readonly caFile: string;
  readonly keyFile: string;
  readonly tokens: string;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
  readonly kubeconfig: string;
  readonly auditPolicy: string;
  readonly auditLog: string;
}

/** Every request with its user and verdict; of deletes the body too, where their preconditions stand. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Request', verbs: ['delete', 'deletecollection'] }, { level: 'Metadata' }],
};

/** Writes what is needed before the first start, and keeps what an earlier life of the cluster has left. */
export async function writeClusterFiles(dir: string, token: string): Promise<ClusterFiles> {
  await mkdir(join(dir, 'certificates'), { recursive: true, mode: 0o700 });
  const files: ClusterFiles = {
    dir,
    certificates: join(dir, 'certificates'),
    caFile: join(dir, 'certificates', 'apiserver.crt'),
    keyFile: join(dir, 'certificates', 'apiserver.key'),
    tokens: join(dir, 'tokens.csv'),
    serviceAccountKey: join(dir, 'service-account.key'),
    serviceAccountPublicKey: join(dir, 'service-account.pub'),
    kubeconfig: join(dir, 'kubeconfig'),
    auditPolicy: join(dir, 'audit-policy.json'),
    auditLog: join(dir, 'audit.log'),
  };
  // A new token at every start of the testbed: a server that accepts it can only be the one that was given this file.
  await writeSecret(files.tokens, `${token},testbed,testbed,system:masters\n`);
  await writeSecret(files.auditPolicy, JSON.stringify(AUDIT_POLICY));
  if (!existsSync(files.serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    await writeSecret(files.serviceAccountKey, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
  const publicKey = createPublicKey(await readFile(files.serviceAccountKey));
  await writeSecret(files.serviceAccountPublicKey, publicKey.export({ type: 'spki', format: 'pem' }).toString());
  return files;
}

/** A kubeconfig of one context, named after the cluster. JSON is YAML, and every client reads it. */
export async function writeKubeconfig(
  path: string,
  target: { readonly name: string; readonly url: string; readonly token: string; readonly caFile: string },
): Promise<void> {
  const certificate = await readFile(target.caFile);
  const { name } = target;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: target.url, 'certificate-authority-data': certificate.toString('base64') } }],
    users: [{ name, user: { token: target.token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  await writeSecret(path, `${JSON.stringify(config, undefined, 2)}\n`);
}

const writeSecret = (path: string, text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });
