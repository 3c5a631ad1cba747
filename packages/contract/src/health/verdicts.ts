import type { ObjectHealth } from '../state.ts';

export const CURRENT: ObjectHealth = { health: 'Current', message: '' };

export function inProgress(message: string): ObjectHealth {
  return { health: 'InProgress', message };
}

export function failed(message: string): ObjectHealth {
  return { health: 'Failed', message };
}

/** `1 of 3 pods available`. */
export function some(found: number, wanted: number, what: string): ObjectHealth {
  return inProgress(`${found} of ${wanted} pods ${what}`);
}
