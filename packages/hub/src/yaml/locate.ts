import { EVENT_ID, getScalarValue } from 'js-yaml';
import type { Event } from 'js-yaml';
import { startOf } from './construct.ts';

/** Keys and indices from a document's root to a node. */
export type NodePath = readonly (string | number)[];

export interface Located {
  /** Offset of the node, or of the nearest node above it that is written. */
  readonly value: number;
  /** Offset of its key; for an item of a list and for the root, of the node itself. */
  readonly key: number;
  /** True when the whole path is written. */
  readonly found: boolean;
  /** Index of the node's event. */
  readonly event: number;
}

/** Finds a path in the events of one document; `root` is the index of the document's event. */
export function locate(source: string, events: readonly Event[], root: number, path: NodePath): Located {
  let at = root + 1;
  let key = startOf(events[at]);
  for (const step of path) {
    const target = follow(source, events, root, at);
    const child = childOf(source, events, root, target, step);
    if (child === undefined) return { value: startOf(events[at]), key, found: false, event: at };
    at = child.value;
    key = startOf(events[child.key]);
  }
  return { value: startOf(events[at]), key, found: true, event: at };
}

function childOf(
  source: string,
  events: readonly Event[],
  root: number,
  parent: number,
  step: string | number,
): { readonly key: number; readonly value: number } | undefined {
  const kind = events[parent]?.type;
  if (kind !== EVENT_ID.SEQUENCE && kind !== EVENT_ID.MAPPING) return undefined;
  const merged: number[] = [];
  let index = 0;
  for (let at = parent + 1; events[at]?.type !== EVENT_ID.POP; index++) {
    if (kind === EVENT_ID.SEQUENCE) {
      if (index === step) return { key: at, value: at };
      at = skip(events, at);
      continue;
    }
    const value = skip(events, at);
    const text = scalarText(source, events[follow(source, events, root, at)]);
    if (text === String(step)) return { key: at, value };
    if (text === '<<') merged.push(value);
    at = skip(events, value);
  }
  for (const value of merged) {
    const target = follow(source, events, root, value);
    const sources = events[target]?.type === EVENT_ID.SEQUENCE ? items(events, target) : [target];
    for (const one of sources) {
      const child = childOf(source, events, root, follow(source, events, root, one), step);
      if (child !== undefined) return child;
    }
  }
  return undefined;
}

function items(events: readonly Event[], sequence: number): readonly number[] {
  const found: number[] = [];
  for (let at = sequence + 1; events[at]?.type !== EVENT_ID.POP; at = skip(events, at)) found.push(at);
  return found;
}

function scalarText(source: string, event: Event | undefined): string | undefined {
  return event?.type === EVENT_ID.SCALAR ? getScalarValue(source, event) : undefined;
}

/** The node an alias stands for: the last one above it that carries the anchor. */
function follow(source: string, events: readonly Event[], root: number, at: number): number {
  const event = events[at];
  if (event?.type !== EVENT_ID.ALIAS) return at;
  const name = source.slice(event.anchorStart, event.anchorEnd);
  for (let above = at - 1; above > root; above--) {
    const candidate = events[above];
    if (candidate === undefined || !('anchorStart' in candidate) || candidate.type === EVENT_ID.ALIAS || candidate.anchorStart < 0)
      continue;
    if (source.slice(candidate.anchorStart, candidate.anchorEnd) === name) return above;
  }
  return at;
}

/** Index after a node. */
function skip(events: readonly Event[], at: number): number {
  let depth = 0;
  for (let next = at; next < events.length; next++) {
    const type = events[next]?.type;
    if (type === EVENT_ID.SEQUENCE || type === EVENT_ID.MAPPING) depth++;
    else if (type === EVENT_ID.POP) depth--;
    if (depth === 0) return next + 1;
  }
  return events.length;
}
