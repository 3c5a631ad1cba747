import { DroverError } from '@drover/contract';
import { createApi } from './api.ts';
import { createSuspensionKeeper } from './effects/suspension-keeper.ts';
import type { ApiDeps } from './types.ts';

export interface ApiServerOptions extends ApiDeps {
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: { readonly certificate: Uint8Array; readonly key: Uint8Array };
}

/** The API as it listens. */
export interface RunningApi extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/** @throws DroverError LISTEN_FAILED */
export async function startApi(options: ApiServerOptions): Promise<RunningApi> {
  const { tls, host } = options;
  const app = await createApi(options, tls === undefined ? undefined : { cert: tls.certificate, key: tls.key });
  try {
    await app.listen({ host, port: options.port });
  } catch (thrown) {
    await app.close();
    throw new DroverError('LISTEN_FAILED', `API on ${host}:${options.port}`, (thrown as Error).message, { cause: thrown });
  }
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const stop = new AbortController();
  const keeper = createSuspensionKeeper(options).run(stop.signal);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([app.close(), keeper]);
    },
  };
}
