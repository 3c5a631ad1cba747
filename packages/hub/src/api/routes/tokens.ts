import { DroverError } from '@drover/contract';
import type { Static } from 'typebox';
import Type from 'typebox';
import type { ListedToken } from '#identity/tokens.ts';
import { ROLES } from '#identity/tokens.ts';
import { actorOf } from '../auth.ts';
import { readDuration } from '../duration.ts';
import { iso } from '../queries/reader.ts';
import type { MadeTokenRow, TokenRow } from '../rows.ts';
import { MadeTokenRow as MadeSchema, ProblemDocument, TokenRow as TokenSchema } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { clusterName, lists, query } from './context.ts';

const LABEL_KEY = '^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,250}[A-Za-z0-9])?$';
const ttl = Type.Optional(Type.String({ maxLength: 40, description: 'for example 24h' }));
const Body = Type.Object(
  {
    kind: Type.Enum(['join', 'api']),
    cluster: Type.Optional(clusterName()),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: LABEL_KEY }), Type.String({ pattern: '^[A-Za-z0-9._-]{0,63}$' }), {
        additionalProperties: false,
        maxProperties: 64,
      }),
    ),
    enforce: Type.Optional(Type.Boolean()),
    maxUses: Type.Optional(Type.Integer({ minimum: 1 })),
    name: Type.Optional(Type.String({ maxLength: 64 })),
    role: Type.Optional(Type.Enum([...ROLES])),
    ttl,
  },
  { additionalProperties: false },
);
const Params = Type.Object({ id: Type.String({ pattern: '^[0-9a-z]{1,64}$' }) });
const JOIN_ONLY = ['cluster', 'labels', 'enforce', 'maxUses'] as const;
const API_ONLY = ['name', 'role'] as const;

export const addTokenRoutes: AddRoutes = (app, context) => {
  app.get(
    '/v1/tokens',
    { schema: { summary: 'Tokens, newest first; never their text', querystring: query({}), response: lists(TokenSchema) } },
    async () => {
      const items = (await context.tokens.list()).map(tokenRow);
      return { items, next: null, total: items.length };
    },
  );
  const schema = {
    summary: 'Make a join token or an API token; its text is shown this once',
    body: Body,
    response: { 201: { description: 'made', ...MadeSchema }, '4xx': ProblemDocument },
  };
  app.post('/v1/tokens', { schema }, async (request, reply): Promise<MadeTokenRow> => {
    const body = request.body as Static<typeof Body>;
    const actor = actorOf(request);
    for (const field of body.kind === 'join' ? API_ONLY : JOIN_ONLY) {
      if (body[field] !== undefined) throw new DroverError('REQUEST_INVALID', field, `a token of kind ${body.kind} has none`);
    }
    const ttlMs = body.ttl === undefined ? {} : { ttlMs: readDuration(body.ttl, 'ttl') };
    const { kind, cluster, labels, enforce, maxUses, name = '', role = 'viewer' } = body;
    const made =
      kind === 'join'
        ? await context.tokens.createJoin(
            {
              ...ttlMs,
              ...(cluster === undefined ? {} : { cluster }),
              ...(labels === undefined ? {} : { labels }),
              ...(enforce === undefined ? {} : { enforce }),
              ...(maxUses === undefined ? {} : { maxUses }),
            },
            actor,
          )
        : await context.tokens.createApi({ name, role, ...ttlMs }, actor);
    reply.code(201).header('cache-control', 'no-store');
    return { id: made.id, kind, token: made.token, expiresAt: iso(made.expiresAt) };
  });
  const revoke = {
    summary: 'Revoke a token',
    params: Params,
    response: { 204: { description: 'revoked', type: 'null' }, '4xx': ProblemDocument },
  };
  app.delete('/v1/tokens/:id', { schema: revoke }, async (request, reply) => {
    await context.tokens.revoke((request.params as Static<typeof Params>).id, actorOf(request));
    return reply.code(204).send();
  });
};

function tokenRow(token: ListedToken): TokenRow {
  return {
    ...token,
    name: token.name ?? null,
    cluster: token.cluster ?? null,
    role: token.role ?? null,
    createdAt: iso(token.createdAt),
    expiresAt: iso(token.expiresAt),
    revokedAt: iso(token.revokedAt),
    labels: { ...token.labels },
  };
}
