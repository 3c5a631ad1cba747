import type { Clock } from '@drover/contract';
import { createApiToken, createJoinToken, authenticate, listTokens, revokeToken } from '#identity/tokens.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import type { Store } from '#state/store.ts';
import { openStore } from '#state/store.ts';
import { clock, random } from '@drover/runtime';
import type { ApiDeps, HubActions } from '../types.ts';
import { BROKEN_FILE, DECLARED, NOW, seedFleet } from './seed-fleet.ts';

/** A hub that does what it is asked by noting it. */
export interface Asked {
  readonly calls: string[];
  /** What `recompose` does to the record, as agents would; nothing by default. */
  onRecompose: () => Promise<void>;
}

export interface Fixture extends AsyncDisposable {
  readonly store: Store;
  readonly deps: ApiDeps;
  readonly asked: Asked;
  /** Moves the clock that is shown; durations stay real. */
  now: number;
}

export const HOOK_KEY = Buffer.from('0123456789abcdef');
export const CA = { keyDigest: 'c'.repeat(64) } as never;
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

/** The API's dependencies over a real store, in memory, with the seeded fleet. */
export async function openFixture(over: Partial<ApiDeps> = {}, actions: Partial<HubActions> = {}): Promise<Fixture> {
  const state = { now: NOW };
  const now = (): number => state.now;
  const shown: Clock = { ...clock, now };
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now });
  await seedFleet(store);
  const asked: Asked = { calls: [], onRecompose: async () => {} };
  const note = (call: string): Promise<void> => {
    asked.calls.push(call);
    return Promise.resolve();
  };
  const tokens = { store, clock: shown, random };
  const deps: ApiDeps = {
    store,
    now,
    clock: shown,
    log: quiet,
    host: '127.0.0.1',
    tokens: {
      authenticate: (text) => authenticate(tokens, text),
      createJoin: (wish, actor) => createJoinToken(tokens, { ca: CA }, wish, actor),
      createApi: (wish, actor) => createApiToken(tokens, wish, actor),
      list: () => listTokens(tokens),
      revoke: (id, actor) => revokeToken(tokens, id, actor),
    },
    info: () => ({
      version: '0.1.0',
      fleet: '99999999-9999-4999-8999-999999999999',
      startedAt: NOW - 12 * 86_400_000,
      addresses: { enrolment: 'hub:7443', fleet: 'hub:7444', nats: ['tls://hub:4222'] },
      publish: { pending: 0, problem: undefined },
      ready: true,
      natsPid: 4711,
    }),
    actions: {
      fetchSource: ({ namespace, name }) => note(`fetch ${namespace}/${name}`),
      hintSource: ({ namespace, name }) => note(`hint ${namespace}/${name}`),
      webhookKey: async ({ name }) => (name === 'fleet' ? HOOK_KEY : undefined),
      verify: ({ uid, unit }) => note(`verify ${uid} ${unit ?? 'all'}`),
      recompose: async (uids) => {
        await note(`recompose ${uids === 'all' ? uids : uids.join(' ')}`);
        await asked.onRecompose();
      },
      disconnect: (uid) => note(`disconnect ${uid}`),
      manifest: async ({ delivery }) => (delivery === 'shop' ? ['{"kind":"ConfigMap","n":9007199254740993}', '{"kind":"Service"}'] : undefined),
      declared: () => DECLARED,
      readSource: async (_delivery, path) => (path.endsWith('kustomization.yaml') ? BROKEN_FILE : undefined),
      unmatched: async () => ({ directories: ['clusters/prod-ap2'], clusters: ['lab-9'] }),
      ...actions,
    },
    ...over,
  };
  return {
    store,
    deps,
    asked,
    get now() {
      return state.now;
    },
    set now(value) {
      state.now = value;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
