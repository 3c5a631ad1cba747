import type { UnitOptions } from '@drover/contract';
import type { Delivery } from '#config/types.ts';

/** What of a Delivery travels in the unit manifest and is part of the unit's digest. */
export function unitOptions(delivery: Delivery): UnitOptions {
  const { wait, drift, intervalMs, retryIntervalMs, timeoutMs, healthChecks } = delivery;
  return { wait, drift, intervalMs, retryIntervalMs, timeoutMs, healthChecks };
}
