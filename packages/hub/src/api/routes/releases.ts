import type { Static } from 'typebox';
import Type from 'typebox';
import { pageOf } from '../page.ts';
import { readReleaseName } from '../queries/release-name.ts';
import { listReleases, releaseDetail } from '../queries/releases.ts';
import { listRollouts, rolloutDetail } from '../queries/rollouts.ts';
import { ReleaseDetail, ReleaseRow, RolloutDetail, RolloutRow } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, answers, lists, name, query } from './context.ts';

const narrowed = { namespace: Type.Optional(name()), delivery: Type.Optional(name()) };
const Releases = query({ ...narrowed, ...PAGE });
const Rollouts = query({
  ...narrowed,
  state: Type.Optional(Type.Enum(['Progressing', 'Succeeded', 'Failed', 'Superseded'])),
  ...PAGE,
});
const Params = Type.Object({ id: Type.String({ maxLength: 260, description: 'shop-214' }) });
const Namespace = query({ namespace: Type.Optional(name()) });

export const addReleaseRoutes: AddRoutes = (app, context) => {
  app.get(
    '/v1/releases',
    { schema: { summary: 'Releases, newest first', querystring: Releases, response: lists(ReleaseRow) } },
    (request) => {
      const asked = request.query as Static<typeof Releases>;
      return listReleases(context, asked, pageOf(asked, 4));
    },
  );
  const release = { summary: 'One release', params: Params, querystring: Namespace, response: answers(ReleaseDetail) };
  app.get('/v1/releases/:id', { schema: release }, (request) => {
    const { id } = request.params as Static<typeof Params>;
    return releaseDetail(context, readReleaseName(id, (request.query as Static<typeof Namespace>).namespace));
  });
  app.get(
    '/v1/rollouts',
    { schema: { summary: 'Rollouts, newest first', querystring: Rollouts, response: lists(RolloutRow) } },
    (request) => {
      const asked = request.query as Static<typeof Rollouts>;
      return listRollouts(context, asked, pageOf(asked, 4));
    },
  );
  const rollout = {
    summary: 'One rollout: stages, clusters by outcome',
    params: Params,
    querystring: Namespace,
    response: answers(RolloutDetail),
  };
  app.get('/v1/rollouts/:id', { schema: rollout }, (request) => {
    const { id } = request.params as Static<typeof Params>;
    return rolloutDetail(context, readReleaseName(id, (request.query as Static<typeof Namespace>).namespace));
  });
};
