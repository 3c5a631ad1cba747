import type { Selectable } from 'kysely';
import type { Delivery } from '#config/types.ts';
import type { SuspensionTable } from '#state/schema.ts';
import type { SuspensionRow } from '../rows.ts';
import type { Reader } from './reader.ts';
import { declaredOf, iso } from './reader.ts';

/** What can be suspended. Clusters are named, not identified: a suspension is what a person said. */
export type Target =
  | { readonly type: 'unit'; readonly namespace: string; readonly delivery: string; readonly cluster: string }
  | { readonly type: 'delivery'; readonly namespace: string; readonly delivery: string }
  | { readonly type: 'cluster'; readonly cluster: string }
  | { readonly type: 'source'; readonly kind: string; readonly namespace: string; readonly name: string };

/** As the table `suspension` names it. */
export function targetKey(target: Target): string {
  switch (target.type) {
    case 'unit':
      return `unit/${target.namespace}/${target.delivery}/${target.cluster}`;
    case 'delivery':
      return `delivery/${target.namespace}/${target.delivery}`;
    case 'cluster':
      return `cluster/${target.cluster}`;
    case 'source':
      return `source/${target.kind}/${target.namespace}/${target.name}`;
  }
}

/** Suspensions by API in force, by target. Few, as each is a person's doing. */
export type Suspensions = ReadonlyMap<string, Selectable<SuspensionTable>>;

export async function readSuspensions(reader: Reader): Promise<Suspensions> {
  const rows = await reader.db.selectFrom('suspension').selectAll().execute();
  const now = reader.now();
  return new Map(rows.filter((row) => row.until === null || row.until > now).map((row) => [row.target, row]));
}

/** Everything that suspends a unit: of the API and of files, for itself, its Delivery and its cluster. */
export function unitSuspensions(
  reader: Reader,
  suspensions: Suspensions,
  unit: { readonly namespace: string; readonly delivery: string; readonly cluster: string },
  spec: Pick<Delivery, 'suspend' | 'position'> | undefined,
): readonly SuspensionRow[] {
  const targets: readonly Target[] = [
    { type: 'unit', ...unit },
    { type: 'delivery', ...unit },
    { type: 'cluster', ...unit },
  ];
  const found = targets.flatMap((target) => fromApi(suspensions, target));
  if (spec?.suspend === true) found.push(fromFile(`delivery/${unit.namespace}/${unit.delivery}`, spec.position?.file));
  return [...found, ...clusterFile(reader, unit.cluster)];
}

export function clusterSuspensions(reader: Reader, suspensions: Suspensions, cluster: string): readonly SuspensionRow[] {
  return [...fromApi(suspensions, { type: 'cluster', cluster }), ...clusterFile(reader, cluster)];
}

export function deliverySuspensions(
  suspensions: Suspensions,
  delivery: { readonly namespace: string; readonly name: string },
  spec: Pick<Delivery, 'suspend' | 'position'>,
): readonly SuspensionRow[] {
  const target: Target = { type: 'delivery', namespace: delivery.namespace, delivery: delivery.name };
  const found = fromApi(suspensions, target);
  return spec.suspend ? [...found, fromFile(targetKey(target), spec.position?.file)] : found;
}

export function sourceSuspensions(
  suspensions: Suspensions,
  source: { readonly kind: string; readonly namespace: string; readonly name: string },
  spec: { readonly suspend: boolean },
): readonly SuspensionRow[] {
  const target: Target = { type: 'source', ...source };
  const found = fromApi(suspensions, target);
  return spec.suspend ? [...found, fromFile(targetKey(target), undefined)] : found;
}

function clusterFile(reader: Reader, cluster: string): readonly SuspensionRow[] {
  const declared = declaredOf(reader, cluster);
  return declared?.suspend === true ? [fromFile(`cluster/${cluster}`, declared.position?.file)] : [];
}

function fromApi(suspensions: Suspensions, target: Target): SuspensionRow[] {
  const row = suspensions.get(targetKey(target));
  if (row === undefined) return [];
  return [{ target: row.target, by: row.by, message: row.message, since: iso(row.since), until: iso(row.until), origin: 'Api' }];
}

function fromFile(target: string, file: string | undefined): SuspensionRow {
  return { target, by: file ?? 'the configuration', message: 'spec.suspend: true', since: null, until: null, origin: 'File' };
}
