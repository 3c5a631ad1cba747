import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fleet, KubeClient, WorkingClone } from '@drover/testbed';
import { eventually, startFleet } from '@drover/testbed';

export const CLUSTER = 'bench';

export interface BenchFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly clone: WorkingClone;
  readonly kube: KubeClient;
  /** When the last webhook left the Git server: the moment a push was there. */
  pushedAt(): number;
  /** Waits until every unit is Ready at a commit. */
  ready(sha: string, timeoutMs?: number): Promise<void>;
  /** Requests that the API server has answered, by verb, without watches, the Lease's and those of its own parts. */
  requests(): Promise<number>;
}

export async function benchFleet(files: Readonly<Record<string, string>>, hubArgs: readonly string[] = []): Promise<BenchFleet> {
  const stack = new AsyncDisposableStack();
  const fleet = stack.use(await startFleet({ clusters: [{ name: CLUSTER, audit: true }], files, hubArgs }));
  const clone = stack.use(await fleet.repository.clone());
  let pushed = 0;
  // Between Git server and hub: notes the moment, and passes the very same request on.
  const relay = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      pushed = performance.now();
      const headers = { 'content-type': 'application/json', 'x-signature': String(request.headers['x-signature']) };
      fetch(`${fleet.hub.url}${request.url ?? ''}`, { method: 'POST', headers, body: Buffer.concat(chunks) }).then(
        (answer) => response.writeHead(answer.status).end(),
        () => response.writeHead(502).end(),
      );
    });
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  stack.defer(() => void relay.close());
  const secret = await readFile(`${fleet.dir}/secrets/drover/fleet/webhook`, 'utf8');
  fleet.git.setWebhook({ url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}/v1/hooks/generic/fleet`, secret });
  const { kube, auditLog } = fleet.cluster(CLUSTER);

  return {
    fleet,
    clone,
    kube,
    pushedAt: () => pushed,
    ready: (sha, timeoutMs = 120_000) =>
      eventually(async () => {
        const { items } = await fleet.hub.get<{
          items: readonly { state: string; message: string; revision: { applied: string | null } }[];
        }>('/v1/units?limit=500');
        if (items.length === 0) throw new Error('no unit yet');
        for (const row of items) {
          if (row.state !== 'Ready' || row.revision.applied?.endsWith(sha) !== true)
            throw new Error(`${row.state} ${row.message} ${row.revision.applied}`);
        }
      }, timeoutMs),
    async requests() {
      const lines = (await readFile(auditLog ?? '', 'utf8')).split('\n').filter((line) => line !== '');
      return lines.filter((line) => countsAsRequest(JSON.parse(line) as AuditEvent)).length;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly userAgent?: string;
  readonly requestURI: string;
}

function countsAsRequest(event: AuditEvent): boolean {
  if (event.stage !== 'ResponseComplete' || event.verb === 'watch') return false;
  return (event.userAgent ?? '').startsWith('drover') && !event.requestURI.includes('/leases/');
}
