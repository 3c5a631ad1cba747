import { DroverError } from '@drover/contract';
import type { NodePath } from '#yaml/locate.ts';
import { nearest } from './nearest.ts';
import { drop } from './draft.ts';
import type { Draft, Entry } from './draft.ts';
import type { Delivery } from './types.ts';

/**
 * Refuses Deliveries that refer to what is not configured, and those that wait for each other. What was refused itself
 * still exists in its last good form, so a reference to it is kept.
 */
export function checkReferences(draft: Draft): void {
  for (const entry of draft.deliveries.values()) {
    const { value } = entry;
    const { sourceRef } = value;
    demand(draft, entry, `GitRepository/${sourceRef.namespace}/${sourceRef.name}`, draft.sources, ['spec', 'sourceRef', 'name']);
    for (const [index, required] of value.dependsOn.entries()) {
      demand(draft, entry, `Delivery/${required.namespace}/${required.name}`, draft.deliveries, ['spec', 'dependsOn', index, 'name']);
    }
  }
  for (const cycle of cyclesOf(draft.deliveries)) {
    for (const entry of cycle) {
      const names = [...cycle, cycle[0]].map((one) => one?.value.name).join(' → ');
      refuse(draft, entry, 'DEPENDENCY_CYCLE', `it waits for itself: ${names}`, ['spec', 'dependsOn']);
    }
  }
}

function demand(draft: Draft, entry: Entry<Delivery>, wanted: string, among: ReadonlyMap<string, unknown>, path: NodePath): void {
  if (among.has(wanted) || mayExist(draft, wanted)) return;
  const kind = wanted.slice(0, wanted.indexOf('/'));
  const show = (key: string): string => key.slice(key.indexOf('/') + 1).replace(`${entry.value.namespace}/`, '');
  const meant = nearest(
    show(wanted),
    [...among.keys(), ...draft.given]
      .filter((key) => key.startsWith(kind))
      .filter((key) => key !== entry.key)
      .map(show),
  );
  const what = `${kind} ${show(wanted)} is not configured${meant === undefined ? '' : `; did you mean ${meant}?`}`;
  refuse(draft, entry, 'CONFIG_REFERENCE', what, path);
}

/** Refused documents, and what may stand in a file that cannot be read, keep their last good form. */
function mayExist(draft: Draft, wanted: string): boolean {
  const kustomization = wanted.replace(/^Delivery\//, 'Kustomization/');
  return draft.given.has(wanted) || draft.unreadable.size > 0 || draft.refused.has(wanted) || draft.refused.has(kustomization);
}

function refuse(draft: Draft, entry: Entry<Delivery>, code: 'CONFIG_REFERENCE' | 'DEPENDENCY_CYCLE', what: string, path: NodePath): void {
  const { file } = entry.document.position;
  drop(draft, entry.key);
  draft.problems.push(new DroverError(code, entry.key.replace('/', ' '), what, { position: { file, ...entry.document.positionOf(path) } }));
}

/** Groups of Deliveries that wait for each other, each in the order of waiting. */
function cyclesOf(deliveries: ReadonlyMap<string, Entry<Delivery>>): readonly (readonly Entry<Delivery>[])[] {
  const cycles: Entry<Delivery>[][] = [];
  const done = new Set<string>();
  for (const start of deliveries.keys()) {
    const path: string[] = [];
    const visit = (key: string): void => {
      const at = path.indexOf(key);
      if (at >= 0) {
        cycles.push(path.slice(at).flatMap((one) => deliveries.get(one) ?? []));
        return;
      }
      const entry = deliveries.get(key);
      if (entry === undefined || done.has(key)) return;
      path.push(key);
      for (const { namespace, name } of entry.value.dependsOn) visit(`Delivery/${namespace}/${name}`);
      path.pop();
      done.add(key);
    };
    visit(start);
  }
  return cycles;
}
