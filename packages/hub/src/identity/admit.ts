import { DroverError } from '@drover/contract';
import type { Store } from '#state/store.ts';
import { readAgentCertificate } from './certificates-adapter.ts';
import type { FleetKeys } from './types.ts';

/** The cluster behind a stream, as the record has it now. */
export interface Admitted {
  readonly uid: string;
  readonly name: string;
  readonly accepted: boolean;
  /** Epoch ms: the end of the certificate. */
  readonly notAfter: number;
}

/**
 * Who may report: the TLS layer has proven the certificate; here the record decides, so that a removal counts at once.
 *
 * @returns a function from the certificate (DER); it rejects with DroverError CLUSTER_UNKNOWN
 */
export function createAdmission(deps: { readonly store: Store; readonly keys: FleetKeys }): (der: Uint8Array) => Promise<Admitted> {
  return async (der) => {
    const certificate = readAgentCertificate(deps.keys.ca, deps.keys.fleet, der);
    const row = await deps.store.db
      .selectFrom('cluster')
      .select(['uid', 'name', 'accepted', 'identity_key'])
      .where('uid', '=', certificate.uid)
      .executeTakeFirst();
    if (row === undefined)
      throw new DroverError('CLUSTER_UNKNOWN', certificate.uid, 'this hub does not know the cluster, or has removed it');
    if (row.identity_key !== certificate.keyDigest) {
      throw new DroverError('CLUSTER_UNKNOWN', row.name, 'the cluster has joined again since, with another key');
    }
    return { uid: row.uid, name: row.name, accepted: row.accepted === 1, notAfter: certificate.notAfter };
  };
}
