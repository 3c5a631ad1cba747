import type { Json } from '@drover/contract';
import { CHOMPING_MODE, EVENT_ID, getScalarValue, SCALAR_STYLE } from 'js-yaml';
import type { DocumentEvent, Event, MappingEvent, ScalarEvent, SequenceEvent } from 'js-yaml';
import { YamlFault } from './fault.ts';
import type { YamlLimits } from './limits.ts';
import { resolvePlain, resolveTagged, ScalarRefusal } from './scalar.ts';
import type { Scalar } from './scalar.ts';

export interface Constructed {
  readonly value: Json;
  /** Index of the document's event. */
  readonly event: number;
}

interface Anchor {
  readonly value: Json;
  /** Nodes in it, its own aliases included; undefined while it is being built. */
  readonly nodes: number | undefined;
}

interface Work {
  readonly source: string;
  readonly events: readonly Event[];
  readonly limits: YamlLimits;
  /** The input is JSON: what is not in quotes is no text. */
  readonly json: boolean;
  at: number;
  nodes: number;
  aliases: number;
  aliased: number;
  merged: number;
  anchors: Map<string, Anchor>;
  handles: Map<string, string>;
}

type Mapping = Record<string, Json>;

/**
 * Values of the documents of an event stream, as sigs.k8s.io/yaml makes them. Stricter than it where two Go readers
 * disagree or one of them is silent: duplicate keys, a merge below a key it would overwrite, fractions as keys.
 *
 * @throws YamlFault
 */
export function construct(source: string, events: readonly Event[], limits: YamlLimits, json: boolean): readonly Constructed[] {
  const documents: Constructed[] = [];
  const fresh = { nodes: 0, aliases: 0, aliased: 0, merged: 0 };
  const work: Work = { source, events, limits, json, at: 0, ...fresh, anchors: new Map(), handles: new Map() };
  while (work.at < events.length) {
    const event = work.at;
    const document = events[work.at++] as DocumentEvent;
    Object.assign(work, fresh, { anchors: new Map(), handles: handlesOf(document) });
    const value = node(work);
    work.at++; // the document's end
    documents.push({ value, event });
  }
  return documents;
}

function handlesOf(document: DocumentEvent): Map<string, string> {
  const handles = new Map<string, string>();
  for (const directive of document.directives) if (directive.kind === 'tag') handles.set(directive.handle, directive.prefix);
  return handles;
}

function node(work: Work): Json {
  const event = work.events[work.at++];
  work.nodes++;
  switch (event?.type) {
    case EVENT_ID.SCALAR: {
      const value = scalarOf(work, event);
      if (event.anchorStart >= 0) anchor(work, event, { value, nodes: 1 });
      return value;
    }
    case EVENT_ID.ALIAS:
      return alias(work, event.anchorStart, event.anchorEnd);
    case EVENT_ID.SEQUENCE: {
      const before = work.nodes;
      const value: Json[] = [];
      if (event.anchorStart >= 0) anchor(work, event, { value, nodes: undefined });
      while (work.events[work.at]?.type !== EVENT_ID.POP) value.push(node(work));
      work.at++;
      if (event.anchorStart >= 0) anchor(work, event, { value, nodes: work.nodes - before + 1 });
      return value;
    }
    case EVENT_ID.MAPPING: {
      const before = work.nodes;
      const value: Mapping = {};
      if (event.anchorStart >= 0) anchor(work, event, { value, nodes: undefined });
      fill(work, value);
      if (event.anchorStart >= 0) anchor(work, event, { value, nodes: work.nodes - before + 1 });
      return value;
    }
    default:
      throw new YamlFault('the document ends too early', 0);
  }
}

function anchor(work: Work, event: ScalarEvent | SequenceEvent | MappingEvent, stands: Anchor): void {
  work.anchors.set(work.source.slice(event.anchorStart, event.anchorEnd), stands);
}

function alias(work: Work, start: number, end: number): Json {
  const { limits } = work;
  const name = work.source.slice(start, end);
  const stands = work.anchors.get(name);
  if (stands === undefined) throw new YamlFault(`*${name} names no anchor above it`, start - 1);
  if (stands.nodes === undefined) throw new YamlFault(`*${name} would contain itself`, start - 1);
  if (++work.aliases > limits.maxAliases) throw new YamlFault(`more than ${limits.maxAliases} aliases (maxAliases)`, start - 1);
  work.aliased += stands.nodes;
  work.nodes += stands.nodes - 1;
  if (work.aliased > limits.maxAliasedNodes) {
    throw new YamlFault(`aliases that stand for more than ${limits.maxAliasedNodes} nodes (maxAliasedNodes)`, start - 1);
  }
  return stands.value;
}

/** Reads the pairs of a mapping up to its end. */
function fill(work: Work, into: Mapping): void {
  const written = new Map<string, number>();
  let mergedAt: number | undefined;
  while (work.events[work.at]?.type !== EVENT_ID.POP) {
    const event = work.events[work.at];
    const start = startOf(event);
    if (isMerge(work, event)) {
      if (mergedAt !== undefined) throw new YamlFault('key "<<" is written twice, first in line {first}; write one list', start, mergedAt);
      mergedAt = start;
      work.at++;
      merge(work, into, written, start);
      continue;
    }
    const key = keyOf(work, start);
    const first = written.get(key);
    if (first !== undefined) throw new YamlFault(`key ${JSON.stringify(key)} is written twice, first in line {first}`, start, first);
    written.set(key, start);
    refuseGluedColon(work, event);
    set(into, key, node(work));
  }
  work.at++;
}

/** `[a:, b]` and `{a:}`: text with a colon to go-yaml, a key without value to YAML 1.2. */
function refuseGluedColon(work: Work, key: Event | undefined): void {
  if (key?.type !== EVENT_ID.SCALAR || key.style !== SCALAR_STYLE.PLAIN || work.source[key.valueEnd] !== ':') return;
  if (!',]}'.includes(work.source[key.valueEnd + 1] ?? ' ')) return;
  const text = work.source.slice(key.valueStart, key.valueEnd);
  throw new YamlFault(`"${text}:" reads differently everywhere; write it in quotes, or a space after the colon`, key.valueStart);
}

function isMerge(work: Work, event: Event | undefined): boolean {
  if (event?.type !== EVENT_ID.SCALAR || event.style !== SCALAR_STYLE.PLAIN || event.valueEnd - event.valueStart !== 2) return false;
  return event.tagStart < 0 && work.source.startsWith('<<', event.valueStart);
}

/** `<<: *a`, `<<: {…}` or `<<: [*a, *b]`, of which the first wins. */
function merge(work: Work, into: Mapping, written: ReadonlyMap<string, number>, start: number): void {
  const list = work.events[work.at]?.type === EVENT_ID.SEQUENCE;
  const value = node(work);
  for (const from of list ? (value as readonly Json[]) : [value]) {
    if (typeof from !== 'object' || from === null || Array.isArray(from))
      throw new YamlFault('<< needs a mapping, or a list of mappings', start);
    for (const [key, item] of Object.entries(from as Mapping)) {
      if (++work.merged > work.limits.maxMergedKeys)
        throw new YamlFault(`more than ${work.limits.maxMergedKeys} merged keys (maxMergedKeys)`, start);
      const above = written.get(key);
      if (above !== undefined)
        throw new YamlFault(`<< would overwrite key ${JSON.stringify(key)} of line {first}; write << first`, start, above);
      if (!Object.hasOwn(into, key)) set(into, key, item);
    }
  }
}

/** `__proto__` is data like any other key. */
function set(into: Mapping, key: string, value: Json): void {
  if (key === '__proto__') Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
  else into[key] = value;
}

function keyOf(work: Work, start: number): string {
  const event = work.events[work.at];
  if (event?.type === EVENT_ID.MAPPING || event?.type === EVENT_ID.SEQUENCE)
    throw new YamlFault('a key is text, not a list or mapping', start);
  const key = node(work);
  switch (typeof key) {
    case 'string':
      return key;
    case 'boolean':
      return String(key);
    case 'bigint':
      if (key < 2n ** 63n) return String(key);
      throw new YamlFault('a number of more than 64 bits as a key; write it in quotes', start);
    case 'number':
      if (Number.isSafeInteger(key)) return String(key);
      if (event?.type === EVENT_ID.SCALAR && isPlainFraction(getScalarValue(work.source, event))) return String(key);
      throw new YamlFault('a fraction as a key reads differently everywhere; write it in quotes', start);
    default:
      throw new YamlFault(
        key === null ? 'a key is missing; write "" or "null" in quotes if it is meant' : 'a key is text, not a list or mapping',
        start,
      );
  }
}

/** A fraction that every reader writes as it stands: go-yaml makes text of it through 32 bits. */
function isPlainFraction(text: string): boolean {
  return /^-?(?:0|[1-9]\d*)\.(?!0000)\d*[1-9]$/.test(text) && text.replace(/^-?0?\.0*|\D/g, '').length <= 6;
}

/** Offset where a node is written, its tag and anchor left out. */
export function startOf(event: Event | undefined): number {
  switch (event?.type) {
    case EVENT_ID.SCALAR:
      if (event.valueStart < 0) return Math.max(event.tagEnd, event.anchorEnd, 0);
      return event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED
        ? event.valueStart - 1
        : event.valueStart;
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return event.start;
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    default:
      return 0;
  }
}

function scalarOf(work: Work, event: ScalarEvent): Scalar {
  const text = textOf(work.source, event);
  if (event.tagStart < 0) {
    if (event.style !== SCALAR_STYLE.PLAIN) return text;
    const value = accept(resolvePlain(text), event);
    if (work.json && typeof value === 'string') throw new YamlFault(`${text} is larger than a number can be`, startOf(event));
    return value;
  }
  const written = work.source.slice(event.tagStart, event.tagEnd);
  if (written === '!') return text;
  return accept(resolveTagged(text, fullTag(work, written)), event);
}

/** Text of a scalar; a block scalar that ends with the input, without a line break, has none, as in Go. */
function textOf(source: string, event: ScalarEvent): string {
  const text = getScalarValue(source, event);
  const block = event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK;
  if (!block || event.valueEnd < source.length || event.chomping === CHOMPING_MODE.STRIP || !text.endsWith('\n')) return text;
  const last = source.slice(Math.max(source.lastIndexOf('\n'), source.lastIndexOf('\r')) + 1);
  if (last === '' || (event.chomping === CHOMPING_MODE.CLIP && last.length <= event.indent && last.trim() === '')) return text;
  return text.slice(0, -1);
}

function fullTag(work: Work, written: string): string {
  if (written.startsWith('!<')) return written.slice(2, -1);
  const end = written.indexOf('!', 1);
  const handle = end < 0 ? '!' : written.slice(0, end + 1);
  const prefix = work.handles.get(handle) ?? (handle === '!!' ? 'tag:yaml.org,2002:' : handle);
  return prefix + written.slice(handle.length);
}

function accept(value: Scalar | ScalarRefusal, event: ScalarEvent): Scalar {
  if (value instanceof ScalarRefusal) throw new YamlFault(value.reason, startOf(event));
  return value;
}
