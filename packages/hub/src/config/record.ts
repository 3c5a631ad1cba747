import type { Problem, UnitName } from '@drover/contract';
import { canonicalJson, unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Database } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { readMeta, writeMeta } from '#state/store.ts';
import type { Configuration, Delivery, Named } from './types.ts';

/** What a newly read configuration changed against the record. */
export interface ConfigurationChange {
  /** Every Delivery in force: as configured, its last good form where it was refused, and removed ones that still have units. */
  readonly deliveries: ReadonlyMap<UnitName, Delivery>;
  /** Deliveries whose content must be rendered anew. */
  readonly rendered: ReadonlySet<UnitName>;
  /** Deliveries of which anything changed: the bundles of their clusters are composed anew. */
  readonly changed: ReadonlySet<UnitName>;
  /** Deliveries that are no longer configured. */
  readonly removed: ReadonlySet<UnitName>;
}

/**
 * Writes a configuration to the record. A document that was refused keeps its last good form, and while a file is
 * unreadable everything does; one that is gone from a configuration that could be read is removed, and its units leave
 * as its `deletionPolicy` says.
 *
 * @param hash of what concerns a Delivery's content
 */
export async function recordConfiguration(
  deps: { readonly store: Store; readonly now: () => number; readonly hash: (delivery: Delivery) => string },
  configuration: Configuration,
): Promise<ConfigurationChange> {
  return deps.store.write(async (tx) => {
    const stored = new Map((await tx.selectFrom('delivery').selectAll().execute()).map((row) => [unitName(row.namespace, row.name), row]));
    const refused = new Set(configuration.refused);
    const deliveries = new Map<UnitName, Delivery>();
    const rendered = new Set<UnitName>();
    const changed = new Set<UnitName>();
    const removed = new Set<UnitName>();
    for (const delivery of configuration.deliveries) {
      const name = unitName(delivery.namespace, delivery.name);
      const spec = canonicalJson(delivery);
      const { position: _position, ...unplaced } = delivery;
      const hash = deps.hash(delivery);
      const row = stored.get(name);
      deliveries.set(name, delivery);
      if (row?.config_hash !== hash || row.removed_at !== null) rendered.add(name);
      if (row?.spec === spec && row.removed_at === null) continue;
      // A document that only moved within its file changes no bundle.
      if (row === undefined || row.removed_at !== null || canonicalJson(unplaced) !== unplacedSpec(row.spec)) changed.add(name);
      await tx
        .insertInto('delivery')
        .values({
          namespace: delivery.namespace,
          name: delivery.name,
          spec,
          config_hash: hash,
          problem: null,
          removed_at: null,
          release: 0,
          revision: null,
        })
        .onConflict((conflict) => conflict.columns(['namespace', 'name']).doUpdateSet({ spec, config_hash: hash, removed_at: null }))
        .execute();
      if (row !== undefined && row.removed_at !== null) await keepUnits(tx, delivery);
    }
    for (const [name, row] of stored) {
      if (deliveries.has(name)) continue;
      const delivery = JSON.parse(row.spec) as Delivery;
      // A file that cannot be read may hold any document: nothing is taken for removed.
      const unknown = configuration.unreadable.length > 0;
      if (row.removed_at === null && (unknown || refused.has(`Delivery/${name}`) || refused.has(`Kustomization/${name}`))) {
        deliveries.set(name, delivery);
        continue;
      }
      if (!(await hasUnits(tx, row))) {
        await forget(tx, row);
        continue;
      }
      // What is no longer written suspends nothing: nobody could lift it.
      deliveries.set(name, { ...delivery, suspend: false });
      removed.add(name);
      if (row.removed_at !== null) continue;
      await tx
        .updateTable('delivery')
        .set({ removed_at: deps.now() })
        .where('namespace', '=', row.namespace)
        .where('name', '=', row.name)
        .execute();
      const fate = delivery.deletionPolicy === 'Delete' ? 'Delete' : 'Orphan';
      const note = `leaves: Delivery ${name} is no longer configured; deletionPolicy ${delivery.deletionPolicy}`;
      await tx
        .updateTable('unit')
        .set({ presence: fate, note, problem: null })
        .where('namespace', '=', row.namespace)
        .where('delivery', '=', row.name)
        .execute();
      await tx
        .updateTable('rollout')
        .set({ state: 'Superseded', ended_at: deps.now() })
        .where('namespace', '=', row.namespace)
        .where('delivery', '=', row.name)
        .where('state', '=', 'Progressing')
        .execute();
      await deps.store.event(tx, { severity: 'Warning', reason: 'DeliveryRemoved', unit: name, message: note });
      changed.add(name);
    }
    const { sources, clusters, from } = configuration;
    const good = canonicalJson({ sources, clusters, from });
    if ((await readMeta(tx, 'last-good')) !== good) await writeMeta(tx, 'last-good', good);
    await recordProblems(deps.store, tx, [...configuration.problems, ...configuration.warnings]);
    return { deliveries, rendered, changed, removed };
  });
}

async function hasUnits(tx: Transaction<Database>, delivery: Named): Promise<boolean> {
  const unit = await tx
    .selectFrom('unit')
    .select('cluster')
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .limit(1)
    .executeTakeFirst();
  return unit !== undefined;
}

/** Units of a Delivery that is configured again no longer leave; their next render tells whether they are to stay. */
async function keepUnits(tx: Transaction<Database>, delivery: Named): Promise<void> {
  await tx
    .updateTable('unit')
    .set({ presence: 'Delivered', note: null })
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .where('presence', 'in', ['Delete', 'Orphan'])
    .execute();
}

/** Forgets a Delivery that has no unit left, but for its newest number: a name that comes back goes on from there. */
async function forget(tx: Transaction<Database>, delivery: Named): Promise<void> {
  for (const table of ['release_unit', 'rollout', 'rollout_stage', 'rollout_cluster'] as const)
    await tx.deleteFrom(table).where('namespace', '=', delivery.namespace).where('delivery', '=', delivery.name).execute();
  const newest = await tx
    .selectFrom('release')
    .select('number')
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  await tx
    .deleteFrom('release')
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .where('number', '<', newest?.number ?? 0)
    .execute();
  await tx.deleteFrom('delivery').where('namespace', '=', delivery.namespace).where('name', '=', delivery.name).execute();
}

/** The configuration that was in force when the hub ended; undefined before the first. */
export async function restoreConfiguration(store: Store): Promise<Configuration | undefined> {
  const text = await readMeta(store.db, 'last-good');
  if (text === undefined) return undefined;
  const kept = JSON.parse(text) as Pick<Configuration, 'sources' | 'clusters' | 'from'>;
  const rows = await store.db.selectFrom('delivery').select('spec').where('removed_at', 'is', null).execute();
  const problems = (await readMeta(store.db, 'config')) ?? '[]';
  return {
    ...kept,
    deliveries: rows.map((row) => JSON.parse(row.spec) as Delivery),
    problems: JSON.parse(problems) as Problem[],
    refused: [],
    unreadable: [],
    warnings: [],
  };
}

function unplacedSpec(spec: string): string {
  const { position: _position, ...unplaced } = JSON.parse(spec) as Delivery;
  return canonicalJson(unplaced);
}

async function recordProblems(store: Store, tx: Transaction<Database>, problems: readonly Problem[]): Promise<void> {
  const text = canonicalJson(problems);
  const before = (await readMeta(tx, 'config')) ?? '[]';
  if (text === before) return;
  await writeMeta(tx, 'config', text);
  const known = new Set((JSON.parse(before) as Problem[]).map((problem) => canonicalJson(problem)));
  for (const problem of problems) {
    if (known.has(canonicalJson(problem))) continue;
    const { position } = problem;
    const place = position === undefined ? '' : ` at ${position.file}${position.line === undefined ? '' : `:${position.line}`}`;
    await store.event(tx, {
      severity: 'Error',
      reason: problem.code,
      object: problem.subject,
      message: `${problem.subject}${place}: ${problem.message}`,
    });
  }
}
