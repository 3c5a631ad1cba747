import type { Static } from 'typebox';
import Type from 'typebox';
import { pageOf } from '../page.ts';
import { listSources, requireSource } from '../queries/sources.ts';
import { SourceRow } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, answers, lists, name, query } from './context.ts';

const Query = query({ namespace: Type.Optional(name()), ...PAGE });
export const SourceParams = Type.Object({ kind: Type.Enum(['GitRepository']), namespace: name(), name: name() });

export const addSourceRoutes: AddRoutes = (app, context) => {
  app.get('/v1/sources', { schema: { summary: 'Sources', querystring: Query, response: lists(SourceRow) } }, (request) => {
    const asked = request.query as Static<typeof Query>;
    return listSources(context, asked, pageOf(asked, 3));
  });
  app.get(
    '/v1/sources/:kind/:namespace/:name',
    { schema: { summary: 'One source', params: SourceParams, response: answers(SourceRow) } },
    (request) => requireSource(context, request.params as Static<typeof SourceParams>),
  );
};
