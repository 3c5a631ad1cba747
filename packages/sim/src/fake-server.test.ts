import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject } from '@drover/contract';
import { DroverError, keyOf, refOf } from '@drover/contract';
import type { LiveObject, ManagedField } from '@drover/agent/sim';
import type { Cluster, KubeClient } from '@drover/testbed';
import { startCluster } from '@drover/testbed';
import fc from 'fast-check';
import type { FakeServer } from './fake-server.ts';
import { createFakeServer } from './fake-server.ts';
import type { Trie } from './field-set.ts';
import { pathsOf } from './field-set.ts';

// The same random requests go to the fake server and to a real one: what they answer and what they then hold is equal.

let cluster: Cluster;
before(async () => {
  cluster = await startCluster({ name: 'oracle' });
});
after(() => cluster[Symbol.asyncDispose]());

type Operation =
  | {
      readonly do: 'apply';
      readonly name: string;
      readonly manager: string;
      readonly force: boolean;
      readonly only: 'create' | 'any';
      readonly content: Content;
    }
  | { readonly do: 'update'; readonly name: string; readonly manager: string; readonly stale: boolean; readonly content: Content }
  | { readonly do: 'delete'; readonly name: string; readonly uid: 'right' | 'wrong' | 'none'; readonly version: 'right' | 'wrong' | 'none' }
  | { readonly do: 'create'; readonly name: string; readonly manager: string; readonly content: Content };

interface Content {
  readonly data?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly immutable?: boolean;
}

const map = (keys: readonly string[]): fc.Arbitrary<Record<string, string>> =>
  fc.dictionary(fc.constantFrom(...keys), fc.constantFrom('1', '2'), { minKeys: 1, maxKeys: 2, noNullPrototype: true });
const content: fc.Arbitrary<Content> = fc.record(
  {
    data: map(['a', 'b', 'c']),
    labels: map(['x', 'y']),
    finalizers: fc.subarray(['example.com/one', 'example.com/two'], { minLength: 1 }),
    immutable: fc.constant(true),
  },
  // An object of which nobody owns anything is not tracked until its first apply: a corner that the agent never meets.
  { requiredKeys: ['data'] },
);
// Immutable and finalizers now and then: with them most else is refused.
const calm = fc.oneof(
  { weight: 6, arbitrary: content.map(({ data, labels }) => clean({ data, labels })) },
  { weight: 1, arbitrary: content },
);
const name = fc.constantFrom('one', 'two');
const manager = fc.constantFrom('drover', 'kubectl-edit', 'operator');
const precondition = fc.constantFrom('right', 'wrong', 'none') as fc.Arbitrary<'right' | 'wrong' | 'none'>;
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('apply' as const),
      name,
      manager,
      force: fc.boolean(),
      only: fc.constantFrom('create' as const, 'any' as const, 'any' as const),
      content: calm,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('update' as const), name, manager, stale: fc.boolean(), content: calm }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), name, uid: precondition, version: precondition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('create' as const), name, manager, content: calm }) },
);

test('random requests have the same results on the fake server and on a real one', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 3, maxLength: 25 }), async (operations) => {
      const namespace = `r${++run}`;
      await cluster.kube.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
      let uids = 0;
      const fake = createFakeServer({ uid: () => `uid-${++uids}`, time: () => 't' });
      fake.create(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }), 'test');
      for (const [index, one] of operations.entries()) {
        const told = `operation ${index}: ${JSON.stringify(one)}`;
        assert.equal(onFake(fake, namespace, one), await onReal(cluster.kube, namespace, one), told);
        for (const own of ['one', 'two']) {
          const real = await cluster.kube.find(path(namespace, own));
          const live = fake.get(keyOf({ group: '', kind: 'ConfigMap', namespace, name: own }));
          assert.deepEqual(
            live === undefined ? undefined : projection(live),
            real === undefined ? undefined : projection(real as unknown as LiveObject),
            told,
          );
        }
      }
    }),
    { numRuns: 40 },
  );
});

const path = (namespace: string, own: string): string => `/api/v1/namespaces/${namespace}/configmaps/${own}`;

function body(namespace: string, own: string, { data, labels, finalizers, immutable }: Content, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    ...clean({ data, immutable }),
    metadata: { name: own, namespace, ...clean({ labels, finalizers }), ...metadata },
  };
}

function clean<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** Maps owned as such, which only an update does. */
const MAPS = /^f:data$|^f:metadata\0f:(labels|finalizers)$/;

/** What may be compared: content, and who owns which leaves. */
function projection(live: LiveObject): unknown {
  const { labels, finalizers, deletionTimestamp, managedFields = [] } = live.metadata;
  const owners = managedFields
    .map(
      (field: ManagedField) =>
        [`${field.manager}/${field.operation}`, [...pathsOf(field.fieldsV1 as Trie)].filter((path) => !MAPS.test(path)).sort()] as const,
    )
    .filter(([, paths]) => paths.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    data: live['data'] ?? {},
    immutable: live['immutable'],
    labels: labels ?? {},
    finalizers: [...(finalizers ?? [])].sort(),
    terminating: deletionTimestamp !== undefined,
    owners,
  };
}

function onFake(fake: FakeServer, namespace: string, one: Operation): string {
  const live = fake.get(keyOf({ group: '', kind: 'ConfigMap', namespace, name: one.name }));
  try {
    switch (one.do) {
      case 'apply': {
        const sent = body(namespace, one.name, one.content, one.only === 'create' ? { resourceVersion: '1' } : {});
        return fake.apply(JSON.stringify(sent), { fieldManager: one.manager, force: one.force }).created ? 'created' : 'done';
      }
      case 'update': {
        const version = one.stale ? '1' : (live?.metadata.resourceVersion ?? '1');
        fake.replace(JSON.stringify(body(namespace, one.name, one.content, { resourceVersion: version })), one.manager);
        return 'done';
      }
      case 'create':
        fake.create(JSON.stringify(body(namespace, one.name, one.content)), one.manager);
        return 'created';
      case 'delete': {
        if (live === undefined) return 'NOT_FOUND';
        fake.delete(keyOf(refOf(live)), preconditions(one, live));
        return 'done';
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
    return thrown.code === 'KUBE_IMMUTABLE' ? 'KUBE_REJECTED' : thrown.code;
  }
}

function preconditions(
  one: Extract<Operation, { do: 'delete' }>,
  live: Pick<LiveObject, 'metadata'>,
): { uid?: string; resourceVersion?: string } {
  const { uid, resourceVersion } = live.metadata;
  return {
    ...(one.uid === 'none' ? {} : { uid: one.uid === 'right' ? uid : '00000000-0000-4000-8000-000000000000' }),
    ...(one.version === 'none' ? {} : { resourceVersion: one.version === 'right' ? resourceVersion : '1' }),
  };
}

async function onReal(kube: KubeClient, namespace: string, one: Operation): Promise<string> {
  const at = path(namespace, one.name);
  const live = await kube.find(at);
  const manager = 'manager' in one ? `fieldManager=${one.manager}` : '';
  const ask = async (): Promise<{ status: number }> => {
    switch (one.do) {
      case 'apply': {
        const sent = body(namespace, one.name, one.content, one.only === 'create' ? { resourceVersion: '1' } : {});
        return await kube.request('PATCH', `${at}?${manager}&force=${one.force}`, sent, { contentType: 'application/apply-patch+yaml' });
      }
      case 'update': {
        const version = one.stale ? '1' : (live?.metadata.resourceVersion ?? '1');
        return await kube.request('PUT', `${at}?${manager}`, body(namespace, one.name, one.content, { resourceVersion: version }));
      }
      case 'create':
        return await kube.request('POST', `/api/v1/namespaces/${namespace}/configmaps?${manager}`, body(namespace, one.name, one.content));
      case 'delete': {
        const given = live === undefined ? {} : preconditions(one, live as unknown as LiveObject);
        return await kube.request('DELETE', at, { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: given });
      }
    }
  };
  const { status } = await ask();
  if (status === 201) return 'created';
  if (status === 200) return 'done';
  const codes: Readonly<Record<number, string>> = { 404: 'NOT_FOUND', 409: 'KUBE_CONFLICT', 422: 'KUBE_REJECTED' };
  return codes[status] ?? String(status);
}
