import { DroverError } from '@drover/contract';
import type { ConnectDeps } from '#publish/nats-connection-adapter.ts';
import { connectNats } from '#publish/nats-connection-adapter.ts';

/**
 * Pushes the claim of the fleet's account to the running servers: users that it revokes are disconnected at once.
 *
 * @param deps `user`: a user of the system account
 * @throws DroverError NATS_UNREACHABLE when no server took it
 */
export async function pushAccountClaim(deps: ConnectDeps, accountJwt: string, signal: AbortSignal): Promise<void> {
  const connection = await connectNats({ ...deps, maxAttempts: 3 }, () => {}, signal).catch((thrown: unknown) => {
    throw new DroverError('NATS_UNREACHABLE', 'NATS', Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
  });
  try {
    const answer = (await connection.request('$SYS.REQ.CLAIMS.UPDATE', accountJwt, { timeout: 5000 })).json<{
      readonly data?: { readonly code: number };
      readonly error?: { readonly description: string };
    }>();
    if (answer.data?.code !== 200)
      throw new DroverError('NATS_UNREACHABLE', 'account claim', answer.error?.description ?? 'it was not taken');
  } catch (thrown) {
    if (thrown instanceof DroverError) throw thrown;
    throw new DroverError('NATS_UNREACHABLE', 'account claim', Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
  } finally {
    await connection.close();
  }
}
