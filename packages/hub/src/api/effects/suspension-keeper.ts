import type { Clock, Logger } from '@drover/contract';
import type { Store } from '#state/store.ts';
import type { HubActions } from '../types.ts';
import { eventOf, readTarget, showTarget, uidsOf } from './suspend.ts';

const CHECK_MS = 1000;

/** Ends suspensions whose time is up, and has the bundles composed that they were part of. */
export function createSuspensionKeeper(deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly now: () => number;
  readonly actions: Pick<HubActions, 'recompose'>;
}): { run(signal: AbortSignal): Promise<void>; check(): Promise<void> } {
  async function check(): Promise<void> {
    const ended = await deps.store.db.selectFrom('suspension').select('target').where('until', '<=', deps.now()).execute();
    if (ended.length === 0) return;
    const uids = new Set<string>();
    await deps.store.write(async (tx) => {
      for (const { target: key } of ended) {
        const target = readTarget(key);
        await tx.deleteFrom('suspension').where('target', '=', key).execute();
        if (target === undefined) continue;
        for (const uid of await uidsOf(tx, target)) uids.add(uid);
        const message = `${showTarget(target)}: the time of its suspension is up`;
        await deps.store.event(tx, { ...eventOf(target), severity: 'Info', reason: 'SuspensionEnded', message });
      }
    });
    await deps.actions.recompose([...uids]);
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await check().catch((thrown: unknown) => deps.log.error({ err: thrown }, 'suspensions that are over could not be ended'));
      await deps.clock.sleep(CHECK_MS, signal).catch(() => {});
    }
  }

  return { run, check };
}
