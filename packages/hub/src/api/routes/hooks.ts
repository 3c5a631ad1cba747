import type { Static } from 'typebox';
import Type from 'typebox';
import { DEFAULT_NAMESPACE, DroverError } from '@drover/contract';
import { createRateLimit } from '#identity/rate-limit.ts';
import { isSigned, isReplay, readPush } from '../webhook.ts';
import { ProblemDocument } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { name, query } from './context.ts';

const Params = Type.Object({ id: name() });
const Query = query({ namespace: Type.Optional(name()) });
const MAX_BODY_BYTES = 256 * 1024;
const SEEN_MS = 10 * 60_000;
const MAX_SEEN = 1000;

/**
 * Webhooks: a signed hint to fetch, and nothing more. Who is unknown gets the same answer as who signs wrongly, work is
 * bounded before anything of the body is read, and the body is parsed only after its signature was proven.
 */
export const addHookRoutes: AddRoutes = (app, context) => {
  // A proven hook gives back what it took, so that only what cannot be proven is slowed down.
  const unproven = createRateLimit({ capacity: 60, perSecond: 10, maxKeys: 10_000 });
  const proven = createRateLimit({ capacity: 200, perSecond: 100, maxKeys: 10_000 });
  const seen = new Map<string, number>();

  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) => done(null, body));
    scope.addHook('onRequest', async (request) => {
      if (!unproven.take(request.ip, context.clock.monotonic()))
        throw new DroverError('RATE_LIMITED', 'webhook', 'too many that are not signed');
    });
    const schema = {
      summary: 'A generic webhook: X-Signature: sha256=<hex of the HMAC of the body>',
      params: Params,
      querystring: Query,
      response: { 202: { description: 'the source is fetched', ...Type.Object({ status: Type.String() }) }, '4xx': ProblemDocument },
    };
    scope.post('/v1/hooks/generic/:id', { schema, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
      const { id } = request.params as Static<typeof Params>;
      const { namespace = DEFAULT_NAMESPACE } = request.query as Static<typeof Query>;
      const source = { namespace, name: id };
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const signature = request.headers['x-signature'];
      const key = await context.actions.webhookKey(source).catch(() => undefined);
      if (!isSigned(body, typeof signature === 'string' ? signature : '', key))
        throw new DroverError('UNAUTHORIZED', 'webhook', 'no such hook, or the signature does not match');
      const now = context.clock.monotonic();
      unproven.charge(request.ip, now, -1);
      if (!proven.take(`${namespace}/${id}`, now)) throw new DroverError('RATE_LIMITED', `webhook ${id}`, 'too many');
      const push = readPush(body);
      const row = await context.db
        .selectFrom('source')
        .select('sha')
        .where('namespace', '=', namespace)
        .where('name', '=', id)
        .executeTakeFirst();
      const digest = String(signature);
      const before = seen.get(digest);
      if (before !== undefined && now - before < SEEN_MS && isReplay(push, row?.sha ?? undefined))
        throw new DroverError('CONFLICT', `webhook ${id}`, 'it was received before');
      seen.delete(digest);
      seen.set(digest, now);
      for (const oldest of seen.keys()) {
        if (seen.size <= MAX_SEEN) break;
        seen.delete(oldest);
      }
      await context.actions.hintSource(source);
      return reply.code(202).send({ status: 'fetching' });
    });
  });
};
