import { UNKNOWN_AFTER_MS } from '@drover/contract';
import type { State } from '@drover/contract';
import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

/**
 * The state of a unit as it is now. The stored state is as of the last write; what changes without one is silence and
 * whether the agent has a stream. The same table as `stateOfRow`, over the columns of `unit` joined with `cluster`, so
 * that counts, filters and rows agree.
 *
 * A stored Failed, NotReady or Ready changes by silence alone. The others are judged anew from the report, and reports
 * are looked into only there.
 */
export function effectiveState(now: number): RawBuilder<State> {
  const current = sql`(unit.report is not null and unit.published is not null and json_extract(unit.report, '$.wanted') = unit.published
    and (json_extract(unit.report, '$.epoch'), json_extract(unit.report, '$.generation')) >= (unit.changed_epoch, unit.changed_generation))`;
  const same = sql`(json_extract(unit.report, '$.mode') = 'Observe' and json_extract(unit.report, '$.state') = 'Ready')`;
  const released = sql`(unit.held = '[]' and unit.presence <> 'Kept')`;
  return sql<State>`case
    when unit.state = 'Failed' then 'Failed'
    when unit.presence in ('Delete', 'Orphan')
      then case when ${isSilent(now)} then 'Unknown' when unit.held <> '[]' then 'Waiting' else 'Progressing' end
    when unit.published is not null and ${isSilent(now)} then 'Unknown'
    when unit.state in ('Ready', 'NotReady') then unit.state
    when not ${released} then 'Waiting'
    when unit.state = 'Progressing' and cluster.online = 1 then 'Progressing'
    when ${released} and ${current} and ${same} then 'Ready'
    when ${current} and json_extract(unit.report, '$.applied') = json_extract(unit.report, '$.wanted')
      then case when json_extract(unit.report, '$.healthy') then 'Ready' else 'NotReady' end
    when ${current} and json_extract(unit.report, '$.state') = 'Progressing' then 'Progressing'
    when ${current} and json_array_length(unit.report, '$.blockedOn') > 0 then 'Waiting'
    when not ${current} and cluster.online = 0 and unit.published is not null then 'Waiting'
    else 'Progressing' end`;
}

/** No report for five minutes, and no stream. */
export function isSilent(now: number): RawBuilder<boolean> {
  return sql<boolean>`(cluster.online = 0 and (cluster.last_seen is null or cluster.last_seen <= ${now - UNKNOWN_AFTER_MS}))`;
}

/** Since when: silence begins to count five minutes after the cluster was last heard of. */
export function effectiveSince(
  row: { readonly state: string; readonly since: number; readonly reported_at: number | null },
  effective: State,
  lastSeen: number | undefined,
): number {
  if (effective === row.state) return row.since;
  if (effective === 'Unknown') return lastSeen === undefined ? row.since : lastSeen + UNKNOWN_AFTER_MS;
  return Math.max(row.since, row.reported_at ?? row.since);
}
