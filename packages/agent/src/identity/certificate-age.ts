import { X509Certificate } from 'node:crypto';
import type { Clock } from '@drover/contract';

/**
 * The age of a certificate, measured so that a wrong clock costs a renewal too many, never one too few: a certificate
 * just given is as young as it can be; from then on the clock counts that went further (the monotonic one stands still
 * while a machine sleeps).
 */
export interface CertificateAge {
  /** ms until `fraction` of its life has passed; 0 or less when it has. */
  until(fraction: number): number;
}

/** @param fresh it was given just now; else only the wall clock tells how old it is */
export function certificateAge(certificatePem: string, clock: Pick<Clock, 'now' | 'monotonic'>, fresh: boolean): CertificateAge {
  const { validFromDate, validToDate } = new X509Certificate(certificatePem);
  const lifeMs = validToDate.getTime() - validFromDate.getTime();
  const [wall, monotonic] = [clock.now(), clock.monotonic()];
  const told = wall - validFromDate.getTime();
  // From the future: the clock is wrong, and the age unknown.
  const before = fresh ? 0 : told < 0 ? lifeMs : told;
  return {
    until: (fraction) => lifeMs * fraction - before - Math.max(clock.monotonic() - monotonic, clock.now() - wall),
  };
}
