import type { Static } from 'typebox';
import Type from 'typebox';
import { clusterDetail, listClusters } from '../queries/clusters.ts';
import { pageOf } from '../page.ts';
import { ClusterDetail, ClusterRow } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, answers, clusterName, flag, lists, query } from './context.ts';

const Query = query({
  selector: Type.Optional(Type.String({ maxLength: 1000, description: 'labels of the hub: env=prod,tier in (a, b),!canary' })),
  online: Type.Optional(flag()),
  accepted: Type.Optional(flag()),
  ...PAGE,
});
const Params = Type.Object({ name: clusterName() });

export const addClusterRoutes: AddRoutes = (app, context) => {
  app.get('/v1/clusters', { schema: { summary: 'Clusters', querystring: Query, response: lists(ClusterRow) } }, (request) => {
    const asked = request.query as Static<typeof Query>;
    return listClusters(context, asked, pageOf(asked, 1));
  });
  app.get('/v1/clusters/:name', { schema: { summary: 'One cluster', params: Params, response: answers(ClusterDetail) } }, (request) =>
    clusterDetail(context, (request.params as Static<typeof Params>).name),
  );
};
