import type { DroverError, ObjectKey } from '@drover/contract';
import { DroverError as Failed, parseKey, showRef } from '@drover/contract';
import type { Applied, Outcome } from '#apply/apply-object.ts';
import type { Applier } from '#apply/applier.ts';
import { planApply } from '#apply/plan.ts';
import type { Failure, Task, UnitChanges, WantedUnit } from '#apply/types.ts';
import { intentOf } from '#inventory/types.ts';
import { driftBetween } from '#observe/fields.ts';
import type { Observation } from '#observe/types.ts';
import { judgeDrift, noteCorrected } from './drift.ts';
import { saveState } from './save.ts';
import type { Term } from './term.ts';
import { say, sayOnce, wakeBy } from './term.ts';
import { standingOf, waitsFor } from './unit-facts.ts';

/** During a long apply the inventory is written this often, so that a restart repeats little. */
const FLUSH_EVERY_MS = 2_000;
/** Rounds of units that became unblocked by others: more than a bundle's longest chain is a defect. */
const MAX_ROUNDS = 1_000;

type Plan = ReadonlyMap<WantedUnit, readonly Task[]>;

/** Applies what differs and corrects what drifted, unit by unit as they become unblocked, then writes the touched shards. */
export async function applyStep(
  term: Term,
  applier: Applier,
  { superseded, progress }: { readonly superseded: () => boolean; readonly progress: () => void },
  signal: AbortSignal,
): Promise<void> {
  const { inventory } = term;
  const { clock } = term.ports;
  const counted = new Map<WantedUnit, { created: number; configured: number }>();
  let flushedAt = clock.monotonic();
  let flushing: Promise<unknown> | undefined;
  let unflushed: unknown;
  for (let round = 0; round < MAX_ROUNDS && !superseded(); round++) {
    const plan = planAll(term);
    const tasks = [...plan.values()].flat();
    if (tasks.length === 0) break;
    await ensureIntents(term, tasks, signal);
    const before = new Map<ObjectKey, Observation | undefined>(
      tasks.filter(isDrift).map(({ object }) => [object.key, term.observer.observed(object.key)]),
    );
    const done = (task: Task, outcome: Outcome): void => {
      if (outcome.type === 'Failed') noteFailure(term, task, outcome.error);
      else {
        noteApplied(term, task, outcome, before.get(task.object.key));
        const count = counted.get(task.unit) ?? { created: 0, configured: 0 };
        count[outcome.action === 'Created' ? 'created' : 'configured']++;
        counted.set(task.unit, count);
      }
      if (flushing !== undefined || clock.monotonic() - flushedAt < FLUSH_EVERY_MS) return;
      progress();
      flushing = inventory
        .flush(signal)
        .catch((thrown: unknown) => void (unflushed ??= thrown))
        .finally(() => {
          flushing = undefined;
          flushedAt = clock.monotonic();
        });
    };
    try {
      await applier.apply(plan, { entry: (key) => inventory.entries.get(key), done, superseded }, signal);
    } finally {
      await flushing;
    }
    if (unflushed !== undefined) throw unflushed;
  }
  for (const [unit, count] of counted) noteUnit(term, unit, count);
  await inventory.flush(signal);
}

const isDrift = (task: Task): boolean => task.reason === 'Drift';

function planAll(term: Term): Plan {
  const plan = new Map<WantedUnit, readonly Task[]>();
  const drifted = judgeDrift(term);
  const { ready } = standingOf(term);
  for (const unit of term.desired?.units.values() ?? []) {
    if (unit.suspended || unit.mode === 'Observe') continue;
    const blocked = waitsFor(unit, term, ready).length > 0;
    const tasks = blocked ? keepUp(term, unit, drifted) : planApply(unit, term.inventory.entries, drifted);
    const now = tasks
      .filter((task) => isDue(term, task))
      .map((task) => (mustInspect(term, task) ? { ...task, inspect: true as const } : task));
    if (now.length > 0) plan.set(unit, now);
  }
  return plan;
}

/** Drift from before a restart: its paths and manager are still to be found. */
function mustInspect(term: Term, task: Task): boolean {
  const observation = isDrift(task) ? term.observer.observed(task.object.key) : undefined;
  return (
    observation?.presence === 'Present' &&
    observation.paths === undefined &&
    observation.uid === term.inventory.entries.get(task.object.key)?.uid
  );
}

/** While a unit waits for others, what it has is kept as it was applied. */
function keepUp(term: Term, unit: WantedUnit, drifted: ReadonlySet<ObjectKey>): readonly Task[] {
  const tasks: Task[] = [];
  for (const { key } of unit.objects) {
    const entry = term.inventory.entries.get(key);
    if (entry === undefined || !drifted.has(key) || !term.cache.has(entry.digest)) continue;
    tasks.push({ unit, object: { key, apiVersion: entry.apiVersion, digest: entry.digest }, reason: 'Drift' });
  }
  return tasks;
}

function isDue(term: Term, task: Task): boolean {
  const owner = term.desired?.owners.get(task.object.key);
  if (owner !== undefined && owner !== task.unit.name) {
    const { key, digest } = task.object;
    const error = new Failed('OBJECT_OWNED_ELSEWHERE', showRef(parseKey(key)), `unit ${owner} lists it too, and keeps it`);
    sayOnce(term, `OBJECT_OWNED_ELSEWHERE ${key} ${task.unit.name} ${digest}`, sayingOf(task, error));
    return false;
  }
  const failure = term.failures.get(task.object.key);
  if (failure === undefined || failure.digest !== task.object.digest) return true;
  if (term.ports.clock.monotonic() >= failure.retryAt) return true;
  wakeBy(term, failure.retryAt);
  return false;
}

/** What may be created is on record before it is. */
async function ensureIntents(term: Term, tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const uncovered = tasks.filter((task) => !term.inventory.covers(task.object.key));
  if (uncovered.length === 0) return;
  for (const { object, unit } of uncovered) {
    if (!term.inventory.entries.has(object.key))
      term.inventory.put(intentOf({ key: object.key, apiVersion: object.apiVersion, unit: unit.name }));
  }
  await saveState(term, signal);
}

function noteApplied(term: Term, task: Task, outcome: Applied, before: Observation | undefined): void {
  const { key, digest } = task.object;
  const fields = term.observer.applied(key, outcome.live, { unit: task.unit.name, digest });
  term.inventory.put({ ...outcome.entry, fields });
  if (term.failures.delete(key))
    for (const topic of term.said) if (topic.startsWith('failed ') && topic.endsWith(` ${key}`)) term.said.delete(topic);
  if (before !== undefined && isDrift(task)) {
    const drift = outcome.found === undefined ? undefined : driftBetween(outcome.found, outcome.live);
    noteCorrected(term, task.unit, key, { ...before, ...drift });
  }
  const { notKept, changed } = outcome.kept;
  const about = { unit: task.unit.name, object: key };
  if (notKept.length > 0) {
    const message = `sent, but not kept by the server: ${notKept.join(', ')}`;
    sayOnce(term, `FIELD_NOT_KEPT ${key} ${digest}`, { severity: 'Warning', reason: 'FIELD_NOT_KEPT', message, ...about });
  }
  if (changed.length > 0) {
    const message = `changed by admission: ${changed.join(', ')}`;
    sayOnce(term, `CHANGED_BY_ADMISSION ${key} ${digest}`, { severity: 'Info', reason: 'ChangedByAdmission', message, ...about });
  }
  for (const warning of outcome.warnings) term.ports.log.warn({ ...about, warning }, 'warning of the API server');
  if (parseKey(key).kind === 'CustomResourceDefinition' || parseKey(key).kind === 'Namespace') retryWaiting(term);
}

/** What only waited for a kind or a namespace is due again. */
function retryWaiting(term: Term): void {
  for (const [key, failure] of term.failures) {
    if (failure.error.code !== 'KUBE_KIND_UNKNOWN' && failure.error.code !== 'KUBE_NAMESPACE_MISSING') continue;
    term.failures.set(key, { ...failure, retryAt: -Infinity });
  }
}

function noteFailure(term: Term, task: Task, error: DroverError): void {
  const { key, digest } = task.object;
  const before = term.failures.get(key);
  const attempts = before?.digest === digest ? before.attempts + 1 : 1;
  const retryAt = term.ports.clock.monotonic() + retryAfter(task.unit, error, attempts, term.ports.random.fraction());
  term.failures.set(key, { error, digest, attempts, retryAt } satisfies Failure);
  // It may have been done all the same: then the digest on record is not what is there.
  const entry = term.inventory.entries.get(key);
  if (UNSURE.has(error.code) && entry !== undefined && entry.uid !== null) term.inventory.put({ ...entry, digest: '' });
  wakeBy(term, retryAt);
  sayOnce(term, `failed ${error.code} ${digest} ${key}`, sayingOf(task, error));
}

const UNSURE: ReadonlySet<string> = new Set(['KUBE_UNREACHABLE', 'KUBE_OUTCOME_UNKNOWN', 'KUBE_BUSY', 'UNEXPECTED']);

function sayingOf(task: Task, error: DroverError): Parameters<typeof say>[1] {
  return { severity: 'Error', reason: error.code, unit: task.unit.name, object: task.object.key, message: error.message };
}

/**
 * How long a failed object waits: what may heal by itself is tried soon, then at the unit's retry interval; what needs
 * other input at the retry interval, as the server's judgement may change.
 *
 * @param fraction uniform in [0, 1)
 * @returns ms
 */
export function retryAfter(
  unit: Pick<WantedUnit, 'options'>,
  error: Pick<DroverError, 'kind'>,
  attempts: number,
  fraction: number,
): number {
  const { retryIntervalMs } = unit.options;
  if (error.kind === 'terminal') return retryIntervalMs;
  const spread = 0.75 + fraction / 2;
  return Math.min(retryIntervalMs, 1_000 * 2 ** Math.min(attempts - 1, 20) * spread);
}

function noteUnit(term: Term, unit: WantedUnit, count: { readonly created: number; readonly configured: number }): void {
  const changed = count.created + count.configured;
  const changes: UnitChanges = { ...count, unchanged: unit.objects.length - changed, deleted: 0 };
  term.changes.set(unit.name, changes);
  const message = `${count.created} created, ${count.configured} configured, ${changes.unchanged} unchanged`;
  say(term, { severity: 'Info', reason: 'Applied', unit: unit.name, message });
}
