import type { Role } from '#identity/tokens.ts';

/**
 * Who may call what: the one table. A route that is not in it does not start. `public` needs no token; `signed` proves
 * itself by an HMAC over its body; a role lets in itself and those above it.
 */
export type Policy = 'public' | 'signed' | Role;

export const POLICIES: Readonly<Record<string, Policy>> = {
  'GET /livez': 'public',
  'GET /readyz': 'public',
  'GET /v1/info': 'public',
  'GET /metrics': 'viewer',
  'GET /openapi.json': 'viewer',
  'GET /v1/fleet': 'viewer',
  'GET /v1/clusters': 'viewer',
  'GET /v1/clusters/:name': 'viewer',
  'GET /v1/sources': 'viewer',
  'GET /v1/sources/:kind/:namespace/:name': 'viewer',
  'GET /v1/deliveries': 'viewer',
  'GET /v1/deliveries/:namespace/:name': 'viewer',
  'GET /v1/units': 'viewer',
  'GET /v1/units/:namespace/:delivery/:cluster': 'viewer',
  'GET /v1/units/:namespace/:delivery/:cluster/manifest': 'viewer',
  'GET /v1/releases': 'viewer',
  'GET /v1/releases/:id': 'viewer',
  'GET /v1/rollouts': 'viewer',
  'GET /v1/rollouts/:id': 'viewer',
  'GET /v1/events': 'viewer',
  'GET /v1/events/stream': 'viewer',
  'POST /v1/sources/:kind/:namespace/:name/reconcile': 'operator',
  'POST /v1/sources/:kind/:namespace/:name/suspend': 'operator',
  'POST /v1/sources/:kind/:namespace/:name/resume': 'operator',
  'POST /v1/deliveries/:namespace/:name/reconcile': 'operator',
  'POST /v1/deliveries/:namespace/:name/suspend': 'operator',
  'POST /v1/deliveries/:namespace/:name/resume': 'operator',
  'POST /v1/units/:namespace/:delivery/:cluster/reconcile': 'operator',
  'POST /v1/units/:namespace/:delivery/:cluster/suspend': 'operator',
  'POST /v1/units/:namespace/:delivery/:cluster/resume': 'operator',
  'POST /v1/clusters/:name/reconcile': 'operator',
  'POST /v1/clusters/:name/suspend': 'operator',
  'POST /v1/clusters/:name/resume': 'operator',
  'POST /v1/clusters/:name/accept': 'admin',
  'POST /v1/clusters/:name/reject': 'admin',
  'POST /v1/clusters/:name/enforce': 'admin',
  'POST /v1/hooks/generic/:id': 'signed',
  'GET /v1/tokens': 'admin',
  'POST /v1/tokens': 'admin',
  'DELETE /v1/tokens/:id': 'admin',
};

const RANK: Readonly<Record<Role, number>> = { viewer: 1, operator: 2, admin: 3 };

export function allows(policy: Role, role: Role): boolean {
  return RANK[role] >= RANK[policy];
}
