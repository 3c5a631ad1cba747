import type { Named } from '#config/types.ts';
import type { UnitTable } from '#state/schema.ts';

/** The row of a unit of which nothing is known yet. */
export function newUnitRow(delivery: Named, cluster: string, now: number): UnitTable {
  return {
    namespace: delivery.namespace,
    delivery: delivery.name,
    cluster,
    rendered: null,
    rendered_revision: null,
    problem: null,
    wanted: null,
    wanted_release: null,
    wanted_revision: null,
    published: null,
    published_release: null,
    published_revision: null,
    changed_epoch: 0,
    changed_generation: 0,
    held: '[]',
    presence: 'Delivered',
    note: null,
    report: null,
    reported_at: null,
    applied: null,
    applied_release: null,
    applied_revision: null,
    state: 'Progressing',
    since: now,
    message: '',
    drift: 0,
  };
}
