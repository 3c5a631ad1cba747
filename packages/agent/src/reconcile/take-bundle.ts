import { DroverError } from '@drover/contract';
import { intentOf } from '#inventory/types.ts';
import type { VerifiedBundle } from '#pull/types.ts';
import { fetchMissing } from './content.ts';
import { desiredOf, judgeHead, movesOf } from './desired.ts';
import { saveState } from './save.ts';
import type { Term } from './term.ts';
import { sayOnce } from './term.ts';

/**
 * Makes a verified bundle what is wanted: all its manifests are at hand, its content is fetched, and then one write puts
 * it on record together with the intents, before anything of it is applied. Equal content is only recorded.
 *
 * @throws DroverError when it cannot be taken now; what was wanted before stays in force
 */
export async function takeBundle(term: Term, bundle: VerifiedBundle, cluster: string, signal: AbortSignal): Promise<void> {
  const { inventory, cache } = term;
  const seen = inventory.record?.head;
  const verdict = accept(term, bundle, cluster);
  if (verdict === 'old') return;
  term.bundle = bundle;
  const before = term.desired;
  const complete = before !== undefined && before.unknown.length === 0;
  const { fleet, epoch, generation, content } = bundle.head;
  if (complete && seen?.content === content && before.head.content === content) {
    term.desired = { ...before, head: { fleet, epoch, generation, content } };
    await fetchMissing(term, signal);
    if (verdict === 'newer') await saveState(term, signal);
    return;
  }

  const desired = await desiredOf(bundle, before, inventory.entries, cache, signal);
  term.desired = desired;
  term.moves = movesOf(desired, inventory.entries);
  try {
    await fetchMissing(term, signal);
    for (const unit of desired.units.values()) {
      if (unit.suspended || unit.mode === 'Observe') continue;
      for (const { key, apiVersion } of unit.objects)
        if (!inventory.entries.has(key)) inventory.put(intentOf({ key, apiVersion, unit: unit.name }));
    }
    await saveState(term, signal);
  } catch (thrown) {
    // What is not on record is not wanted yet.
    if (inventory.record?.head !== desired.head) term.desired = before;
    throw thrown;
  }
  for (const [key, failure] of term.failures) if (failure.digest === undefined || !desired.owners.has(key)) term.failures.delete(key);
  term.ports.log.info({ epoch, generation, units: desired.units.size, left: desired.left.length }, 'bundle taken');
}

function accept(term: Term, bundle: VerifiedBundle, cluster: string): 'newer' | 'same' | 'old' {
  try {
    const verdict = judgeHead(bundle, term.inventory.record?.head, cluster);
    if (verdict === 'old') term.ports.log.info({ generation: bundle.head.generation }, 'older head left aside');
    return verdict;
  } catch (thrown) {
    const { code, message } = DroverError.from(thrown, 'head');
    const { epoch, generation, content } = bundle.head;
    sayOnce(term, `${code} ${epoch} ${generation} ${content}`, { severity: 'Error', reason: code, message });
    return 'old';
  }
}
