import type { AgentEvent, Checksums, Facts, LeftReport, Report, Seen, UnitName, UnitReport } from '@drover/contract';
import { canonicalJson, reportChecksum } from '@drover/contract';
import { fitEvent, fitLeft, fitReport } from './fit.ts';
import type { Snapshot } from './types.ts';

/**
 * What the hub has to be told: the newest truth, and of it what was not said yet. Units are level-triggered (only the
 * newest report of each counts), events are kept until they are acknowledged, up to a bound.
 */
export interface Outbox {
  take(snapshot: Snapshot): void;
  addEvent(event: AgentEvent): void;
  setFacts(facts: Facts): void;
  addBadBlob(name: string): void;
  /** There is something to say. */
  readonly pending: boolean;
  readonly seen: Seen | undefined;
  /** Events that had to be dropped since the last call. */
  dropped(): number;
  /** A new stream: what was said and not acknowledged is to be said again; of units and facts the checksums tell. */
  reopen(): Checksums;
  /** The hub holds something else of these. */
  resync(units: readonly UnitName[], facts: boolean): void;
  /** The next message, and what it says is no longer pending. */
  next(seq: number): Report;
  /** Everything up to `seq` is committed. */
  acknowledge(seq: number): void;
}

export const MAX_EVENTS = 1000;
const MAX_BAD_BLOBS = 1000;
/** Of JSON; protobuf needs less. */
const MAX_REPORT_BYTES = 512 * 1024;

interface Held<T> {
  readonly value: T;
  readonly checksum: string;
  readonly bytes: number;
}

export function createOutbox(): Outbox {
  const units = new Map<UnitName, Held<UnitReport> & { readonly source: UnitReport }>();
  const dirty = new Set<UnitName>();
  let left: Held<readonly LeftReport[]> = { value: [], checksum: '[]', bytes: 2 };
  let leftDirty = false;
  let facts: Held<Facts> | undefined;
  let factsDirty = false;
  let seen: Seen | undefined;
  let seenDirty = false;
  let events: AgentEvent[] = [];
  let droppedEvents = 0;
  const badBlobs = new Set<string>();
  /** Said and not acknowledged. */
  const said = new Map<number, { readonly left: boolean; readonly events: readonly AgentEvent[]; readonly badBlobs: readonly string[] }>();

  function trim(): void {
    const over = events.length - MAX_EVENTS;
    if (over <= 0) return;
    events = events.slice(over);
    droppedEvents += over;
  }

  return {
    take(snapshot) {
      const listed = new Set<UnitName>();
      for (const source of snapshot.units) {
        listed.add(source.unit);
        const held = units.get(source.unit);
        if (held?.source === source) continue;
        const value = fitReport(source);
        const checksum = reportChecksum(value);
        if (held?.checksum !== checksum) dirty.add(source.unit);
        units.set(source.unit, { source, value, checksum, bytes: JSON.stringify(value).length });
      }
      for (const unit of units.keys()) {
        if (listed.has(unit)) continue;
        units.delete(unit);
        dirty.delete(unit);
      }
      const value = snapshot.left.map(fitLeft);
      const checksum = canonicalJson(value);
      if (checksum !== left.checksum) leftDirty = true;
      left = { value, checksum, bytes: checksum.length };
      if (canonicalJson(snapshot.head ?? null) !== canonicalJson(seen ?? null)) seenDirty = true;
      seen = snapshot.head;
    },
    addEvent(event) {
      events.push(fitEvent(event));
      trim();
    },
    setFacts(value) {
      const checksum = reportChecksum(value);
      if (facts?.checksum === checksum) return;
      facts = { value, checksum, bytes: JSON.stringify(value).length };
      factsDirty = true;
    },
    addBadBlob(name) {
      if (badBlobs.size < MAX_BAD_BLOBS) badBlobs.add(name);
    },
    get pending() {
      return dirty.size > 0 || leftDirty || factsDirty || seenDirty || events.length > 0 || badBlobs.size > 0;
    },
    get seen() {
      return seen;
    },
    dropped() {
      const count = droppedEvents;
      droppedEvents = 0;
      return count;
    },
    reopen() {
      const unsaid = [...said.values()];
      said.clear();
      events = [...unsaid.flatMap((one) => one.events), ...events];
      trim();
      for (const name of unsaid.flatMap((one) => one.badBlobs)) badBlobs.add(name);
      leftDirty = left.value.length > 0;
      dirty.clear();
      factsDirty = false;
      seenDirty = false;
      return {
        units: new Map([...units].map(([unit, held]) => [unit, held.checksum])),
        ...(facts === undefined ? {} : { facts: facts.checksum }),
      };
    },
    resync(names, wantsFacts) {
      for (const name of names) if (units.has(name)) dirty.add(name);
      if (wantsFacts && facts !== undefined) factsDirty = true;
    },
    next(seq) {
      let bytes = 0;
      const fits = (more: number): boolean => {
        if (bytes > 0 && bytes + more > MAX_REPORT_BYTES) return false;
        bytes += more;
        return true;
      };
      const saysLeft = leftDirty && fits(left.bytes);
      if (saysLeft) leftDirty = false;
      const reported: UnitReport[] = [];
      for (const name of dirty) {
        const held = units.get(name);
        if (held !== undefined && !fits(held.bytes)) break;
        dirty.delete(name);
        if (held !== undefined) reported.push(held.value);
      }
      const saysFacts = factsDirty && facts !== undefined && fits(facts.bytes);
      if (saysFacts) factsDirty = false;
      let count = 0;
      while (count < events.length && fits(JSON.stringify(events[count]).length)) count++;
      const told = events.slice(0, count);
      events = events.slice(count);
      const names = [...badBlobs];
      badBlobs.clear();
      seenDirty = false;
      said.set(seq, { left: saysLeft, events: told, badBlobs: names });
      return {
        seq,
        ...(seen === undefined ? {} : { seen }),
        ...(saysFacts && facts !== undefined ? { facts: facts.value } : {}),
        units: reported,
        left: saysLeft ? left.value : [],
        events: told,
        badBlobs: names,
      };
    },
    acknowledge(seq) {
      for (const number of said.keys()) if (number <= seq) said.delete(number);
    },
  };
}
