import type { BasePorts, ObjectKey } from '@drover/contract';
import { backoffMs, DroverError, keyOf, MANAGED_LABEL, parseKey, refOf } from '@drover/contract';
import type { KindInfo, Kube, LiveObject } from '#kube/types.ts';
import { createSlots } from '#kube/slots.ts';
import type { OwnedFields } from './fields.ts';
import { ownedFields } from './fields.ts';
import type { Following } from './follow.ts';
import { followKind } from './follow.ts';
import type { Tracked } from './tracked.ts';
import { forget, judge, mayBeGone, rebase, retrack, take, takeMissing, track } from './tracked.ts';
import type { Expectation, FieldsHash, Observation, Observer } from './types.ts';

export interface ObserverDeps {
  readonly kube: Kube;
  readonly ports: Pick<BasePorts, 'clock' | 'random' | 'log'>;
}

/** Events of one chunk come in one batch. */
const COALESCE_MS = 2;
/** Live reads that confirm what a watch said, in flight. */
const MAX_CONFIRMING = 16;
/** An object that has lost our label is seen by no watch: it is read this often, up to twice as long. */
const BLIND_MS = 30_000;

interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly tracked: Map<ObjectKey, Tracked>;
  readonly stop: AbortController;
  /** Where its objects live; undefined until discovery has said so. */
  info: KindInfo | undefined;
  /** A whole list was read, and the watch that followed it still counts. */
  listed: boolean;
  /** The server does not serve it, as far as is known. */
  absent: boolean;
  following: Following | undefined;
}

/** The reading of one object until it is settled. */
interface Confirmation {
  /** There was more news while it was being read. */
  again: boolean;
  nap: AbortController;
}

/** See {@link Observer}; keeps a few hundred bytes for each expected object and nothing for any other. */
export function createObserver(deps: ObserverDeps): Observer {
  const { kube } = deps;
  const { clock, random, log } = deps.ports;
  const kinds = new Map<string, Kind>();
  const confirming = new Map<Tracked, Confirmation>();
  const slots = createSlots(MAX_CONFIRMING);
  const unsynced = new Set<ObjectKey>();
  /** Field sets are alike in many objects: each is kept once. */
  const interned = new Map<FieldsHash, OwnedFields>();
  let pending = new Set<ObjectKey>();
  let wake: (() => void)[] = [];
  let running: AbortSignal | undefined;
  const tasks = new Set<Promise<void>>();

  const find = (key: ObjectKey): Tracked | undefined => kinds.get(kindKey(key))?.tracked.get(key);

  function fieldsOf(live: LiveObject): OwnedFields {
    const fields = ownedFields(live);
    const known = interned.get(fields.hash);
    if (known === undefined) interned.set(fields.hash, fields);
    return known ?? fields;
  }

  /** Judges anew after something was learned, and tells of a change. */
  function learned(tracked: Tracked): void {
    const changed = judge(tracked);
    const { presence, kindAbsent } = tracked.observation;
    if (presence === 'Unknown' && kindAbsent !== true) unsynced.add(tracked.key);
    else unsynced.delete(tracked.key);
    if (changed) tell(tracked.key);
  }

  function tell(key: ObjectKey): void {
    pending.add(key);
    wakeAll();
  }

  function wakeAll(): void {
    const waiting = wake;
    wake = [];
    for (const resolve of waiting) resolve();
  }

  async function nextChange(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      wake.push(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
    });
  }

  function spawn(task: Promise<void>): void {
    const guarded = task.catch((thrown: unknown) => {
      if (running?.aborted !== true) log.error({ err: thrown }, 'observing failed');
    });
    tasks.add(guarded);
    void guarded.finally(() => tasks.delete(guarded));
  }

  function openKind(key: ObjectKey): Kind {
    const { group, kind } = parseKey(key);
    const name = kindKey(key);
    let found = kinds.get(name);
    if (found === undefined) {
      found = {
        group,
        kind,
        tracked: new Map(),
        stop: new AbortController(),
        info: undefined,
        listed: false,
        absent: false,
        following: undefined,
      };
      kinds.set(name, found);
      start(found);
    }
    return found;
  }

  function start(kind: Kind): void {
    if (running === undefined || kind.following !== undefined) return;
    const signal = AbortSignal.any([running, kind.stop.signal]);
    kind.following = followKind(
      { kube, ports: deps.ports, keyOf: (live) => keyOf(refOf(live)) },
      kind.group,
      kind.kind,
      {
        apiVersion: () => firstVersion(kind),
        served: (info) => {
          kind.info = info;
          kind.absent = false;
        },
        take: (live) => takeLive(kind, live),
        deleted: (live) => {
          const tracked = kind.tracked.get(keyOf(refOf(live)));
          if (tracked !== undefined && mayBeGone(tracked, live.metadata.resourceVersion)) confirm(kind, tracked);
        },
        listed: (present) => {
          kind.listed = true;
          for (const tracked of kind.tracked.values()) if (!present.has(tracked.key)) confirm(kind, tracked);
        },
        stale: (message) => {
          log.warn({ kind: kind.kind, message }, 'kind cannot be observed');
          forgetKind(kind, { versions: false });
        },
        absent: () => {
          kind.absent = true;
          forgetKind(kind, { versions: true, kindAbsent: true });
        },
        wentBack: () => {
          for (const each of kinds.values()) {
            forgetKind(each, { versions: true });
            each.following?.relist();
          }
        },
      },
      signal,
    );
    spawn(kind.following.ended);
  }

  function forgetKind(kind: Kind, options: { readonly versions: boolean; readonly kindAbsent?: boolean }): void {
    kind.listed = false;
    for (const tracked of kind.tracked.values()) {
      forget(tracked, options);
      learned(tracked);
    }
  }

  function takeLive(kind: Kind, live: LiveObject): void {
    const tracked = kind.tracked.get(keyOf(refOf(live)));
    if (tracked !== undefined && take(tracked, live, fieldsOf(live))) learned(tracked);
  }

  /** Reads the object itself: only that may call it missing. */
  function confirm(kind: Kind, tracked: Tracked): void {
    if (running === undefined) return;
    const open = confirming.get(tracked);
    if (open !== undefined) {
      open.again = true;
      open.nap.abort();
      return;
    }
    const confirmation: Confirmation = { again: false, nap: new AbortController() };
    confirming.set(tracked, confirmation);
    const signal = AbortSignal.any([running, kind.stop.signal]);
    spawn(settle(kind, tracked, confirmation, signal).finally(() => confirming.delete(tracked)));
  }

  async function settle(kind: Kind, tracked: Tracked, confirmation: Confirmation, signal: AbortSignal): Promise<void> {
    for (let failures = 0; kind.tracked.get(tracked.key) === tracked;) {
      confirmation.again = false;
      confirmation.nap = new AbortController();
      const verdict = await readOnce(kind, tracked, signal);
      if (signal.aborted) return;
      failures = verdict === 'Failed' ? failures + 1 : 0;
      if (confirmation.again || verdict === 'Again') continue;
      if (verdict === 'Settled') return;
      const pause = verdict === 'Failed' ? backoffMs(failures, random.fraction()) : BLIND_MS * (1 + random.fraction());
      await clock.sleep(pause, AbortSignal.any([signal, confirmation.nap.signal])).catch(() => undefined);
      if (signal.aborted) return;
      // Applied again meanwhile: the watch shows it from now on.
      if (!confirmation.again && verdict === 'Blind' && typeof tracked.seen === 'object' && tracked.seen.labelled) return;
    }
  }

  async function readOnce(kind: Kind, tracked: Tracked, signal: AbortSignal): Promise<'Settled' | 'Blind' | 'Again' | 'Failed'> {
    const { turn } = tracked;
    const { info } = kind;
    if (info === undefined) return 'Settled';
    try {
      const live = await slots.run(() => kube.get(info, tracked.ref, signal), signal);
      if (live === undefined) {
        if (!takeMissing(tracked, turn)) return 'Again';
        learned(tracked);
        return 'Settled';
      }
      if (take(tracked, live, fieldsOf(live))) learned(tracked);
      return live.metadata.labels?.[MANAGED_LABEL] === 'true' ? 'Settled' : 'Blind';
    } catch (thrown) {
      if (signal.aborted) return 'Failed';
      forget(tracked, { versions: false });
      learned(tracked);
      if (DroverError.from(thrown, tracked.key).code !== 'KUBE_KIND_UNKNOWN') return 'Failed';
      // The kind may have gone with its definition: following it finds out, and lists again.
      kind.following?.relist();
      return 'Settled';
    }
  }

  function firstVersion(kind: Kind): string {
    for (const { apiVersion } of kind.tracked.values()) return apiVersion;
    return '';
  }

  function drop(kind: Kind, key: ObjectKey): void {
    kind.tracked.delete(key);
    unsynced.delete(key);
    pending.delete(key);
  }

  function forgetUnused(): void {
    const used = new Set<FieldsHash>();
    for (const [name, kind] of kinds) {
      if (kind.tracked.size === 0) {
        kind.stop.abort();
        kinds.delete(name);
      }
      for (const { seen } of kind.tracked.values()) if (typeof seen === 'object') used.add(seen.fields.hash);
    }
    for (const hash of interned.keys()) if (!used.has(hash)) interned.delete(hash);
  }

  return {
    async run(signal) {
      running = signal;
      for (const kind of kinds.values()) start(kind);
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      while (tasks.size > 0) await Promise.all(tasks);
    },

    expect(entries: Iterable<Expectation>) {
      const wanted = new Map<ObjectKey, Expectation>();
      for (const entry of entries) wanted.set(entry.key, entry);
      for (const kind of kinds.values()) for (const key of kind.tracked.keys()) if (!wanted.has(key)) drop(kind, key);
      for (const entry of wanted.values()) {
        const known = find(entry.key);
        if (known !== undefined) {
          retrack(known, entry);
          judge(known);
          continue;
        }
        const kind = openKind(entry.key);
        const tracked = track(entry);
        kind.tracked.set(entry.key, tracked);
        unsynced.add(entry.key);
        // The list that would have shown it is over.
        if (kind.listed) confirm(kind, tracked);
        else if (kind.absent) kind.following?.relist();
      }
      forgetUnused();
      wakeAll();
    },

    applied(key, live) {
      const kind = openKind(key);
      const fields = fieldsOf(live);
      const tracked = kind.tracked.get(key) ?? track({ key, apiVersion: live.apiVersion, uid: live.metadata.uid, fields: fields.hash });
      kind.tracked.set(key, tracked);
      rebase(tracked, live, fields);
      judge(tracked);
      unsynced.delete(key);
      if (kind.absent) kind.following?.relist();
      if (tracked.observation.drifted) tell(key);
      else wakeAll();
      return fields.hash;
    },

    observed(key): Observation | undefined {
      return find(key)?.observation;
    },

    async changed(signal) {
      while (pending.size === 0) await nextChange(signal);
      await clock.sleep(COALESCE_MS, signal);
      const keys = pending;
      pending = new Set();
      return keys;
    },

    refresh() {
      for (const kind of kinds.values()) kind.following?.relist();
    },

    synced: () => unsynced.size === 0,

    async whenSynced(signal) {
      while (unsynced.size > 0) await nextChange(signal);
    },
  };
}

function kindKey(key: ObjectKey): string {
  const first = key.indexOf('/');
  return key.slice(0, key.indexOf('/', first + 1));
}
