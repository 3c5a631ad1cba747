import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '@drover/contract';
import { AGENT_NAMESPACE } from '@drover/contract';
import type { Entry, StateRecord } from '@drover/agent/sim';
import { createSecretStore, loadInventory } from '@drover/agent/sim';
import fc from 'fast-check';
import { createFakeKube } from './fake-kube.ts';
import type { FakeServer } from './fake-server.ts';
import { createFakeServer } from './fake-server.ts';

// The inventory alone, on the fake server, dying at every write.

class Died extends Error {}

const RECORD: StateRecord = {
  format: 'drover.state/1',
  head: { fleet: 'f', epoch: 1, generation: 1, content: 'c' },
  units: [],
  left: [],
  packs: [],
};
const signal = new AbortController().signal;
const entry = (key: string, uid: string | null): Entry => ({
  key,
  apiVersion: 'v1',
  uid,
  digest: uid === null ? '' : 'd',
  unit: 'drover/x',
  adopted: false,
});

function createServer(): FakeServer {
  let uids = 0;
  const server = createFakeServer({ uid: () => `uid-${++uids}`, time: () => 't' });
  server.create(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: AGENT_NAMESPACE } }), 'test');
  return server;
}

/** Opens the inventory for a process that dies at its `dieAt`-th write, before or after it. */
async function open(server: FakeServer, dieAt: number, moment: 'before' | 'after'): Promise<Awaited<ReturnType<typeof loadInventory>>> {
  let writes = 0;
  const effect: Effect = async (_point, run) => {
    const now = ++writes === dieAt;
    if (writes > dieAt || (now && moment === 'before')) throw new Died();
    const done = await run();
    if (now) throw new Died();
    return done;
  };
  const kube = createFakeKube({ server, turn: async () => {}, fate: () => 'Done', changed: () => new Promise(() => {}) });
  return await loadInventory(createSecretStore({ kube, effect }), signal);
}

type Step = { readonly do: 'bundle'; readonly keys: readonly number[] } | { readonly do: 'gone'; readonly keys: readonly number[] };

const keys = fc.uniqueArray(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 300 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: keys.map((list) => ({ do: 'bundle' as const, keys: list })) },
  { weight: 1, arbitrary: keys.map((list) => ({ do: 'gone' as const, keys: list })) },
);

test('I5 F4 whatever write the agent dies at while shards fill, double and shrink, no object that exists leaves the inventory', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          steps: fc.array(step, { minLength: 1, maxLength: 4 }),
          dieAt: fc.integer({ min: 1, max: 25 }),
          moment: fc.constantFrom('before' as const, 'after' as const),
        }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      async (lives) => {
        const server = createServer();
        const exists = new Set<string>();
        for (const { steps, dieAt, moment } of [...lives, { steps: [], dieAt: Infinity, moment: 'after' as const }]) {
          const { inventory, damage } = await open(server, dieAt, moment);
          assert.deepEqual(
            damage.filter((what) => !what.includes('drover-state is missing')),
            [],
          );
          for (const key of exists) assert.ok(inventory.entries.has(key), `${key} is there and not in the inventory`);
          try {
            for (const one of steps) {
              const names = one.keys.map((number) => `/ConfigMap/n/object-${number}`);
              if (one.do === 'bundle') {
                for (const name of names) if (!inventory.entries.has(name)) inventory.put(entry(name, null));
                await inventory.writeState(RECORD, new Uint8Array(0), signal);
                // What is on record may be created now.
                for (const name of names) {
                  exists.add(name);
                  inventory.put(entry(name, `uid-of-${name}`));
                }
              } else {
                for (const name of names) {
                  exists.delete(name);
                  inventory.drop(name);
                }
              }
              await inventory.flush(signal);
            }
          } catch (thrown) {
            const { cause } = thrown as { cause?: unknown };
            if (!(thrown instanceof Died) && !(cause instanceof Died)) throw thrown;
          }
        }
        for (const secret of server.list('', 'Secret', AGENT_NAMESPACE)) assert.ok(JSON.stringify(secret).length < 1024 * 1024);
      },
    ),
    { numRuns: 150 },
  );
});

test('F4 20,000 entries stay in shards far below 1 MiB, and one of them costs one write', async () => {
  const server = createServer();
  const { inventory } = await open(server, Infinity, 'after');
  for (let index = 0; index < 20_000; index++)
    inventory.put(entry(`/ConfigMap/namespace-${index % 50}/object-${index}`, `00000000-0000-4000-8000-${index}`));
  await inventory.writeState(RECORD, new Uint8Array(0), signal);
  await inventory.flush(signal);
  for (const secret of server.list('', 'Secret', AGENT_NAMESPACE)) assert.ok(JSON.stringify(secret).length < 256 * 1024);
  const before = server.revision;
  inventory.put({ ...entry('/ConfigMap/namespace-7/object-7', 'u'), digest: 'new' });
  await inventory.flush(signal);
  assert.equal(server.revision, before + 1);
});
