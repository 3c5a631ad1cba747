import { DroverError, showUnit, unitName } from '@drover/contract';
import type { Static } from 'typebox';
import Type from 'typebox';
import { pageOf } from '../page.ts';
import { unitDetail } from '../queries/unit-detail.ts';
import { listUnits, readUnit } from '../queries/units.ts';
import { UnitDetail, UnitRow } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, answers, clusterName, deliveryName, flag, lists, name, query } from './context.ts';

const Query = query({
  namespace: Type.Optional(name()),
  delivery: Type.Optional(deliveryName()),
  cluster: Type.Optional(clusterName()),
  state: Type.Optional(Type.String({ maxLength: 100, description: 'one or more, by comma' })),
  clusterSelector: Type.Optional(Type.String({ maxLength: 1000, description: 'labels of clusters, held at the hub' })),
  drift: Type.Optional(flag()),
  suspended: Type.Optional(flag()),
  ...PAGE,
});
export const UnitParams = Type.Object({ namespace: name(), delivery: name(), cluster: clusterName() });
const Manifest = Type.Object({
  items: Type.Array(Type.Unknown(), { description: 'objects in apply order; values of Secrets are masked' }),
  next: Type.Null(),
  total: Type.Integer(),
});

export const addUnitRoutes: AddRoutes = (app, context) => {
  app.get(
    '/v1/units',
    { schema: { summary: 'Units: a Delivery on a cluster', querystring: Query, response: lists(UnitRow) } },
    (request) => {
      const asked = request.query as Static<typeof Query>;
      return listUnits(context, asked, pageOf(asked, 3));
    },
  );
  app.get(
    '/v1/units/:namespace/:delivery/:cluster',
    { schema: { summary: 'One unit: objects, health, drift, what it waits for', params: UnitParams, response: answers(UnitDetail) } },
    (request) => unitDetail(context, request.params as Static<typeof UnitParams>),
  );
  app.get(
    '/v1/units/:namespace/:delivery/:cluster/manifest',
    { schema: { summary: 'What a unit is rendered to', params: UnitParams, response: answers(Manifest) } },
    async (request, reply) => {
      const unit = request.params as Static<typeof UnitParams>;
      const { cluster: uid } = await readUnit(context, unit);
      const objects = await context.actions.manifest({ ...unit, uid });
      if (objects === undefined)
        throw new DroverError('NOT_FOUND', showUnit(unitName(unit.namespace, unit.delivery), unit.cluster), 'it has not been rendered yet');
      // The objects' own text: integers keep their digits.
      return reply.type('application/json').send(`{"items":[${objects.join(',')}],"next":null,"total":${objects.length}}`);
    },
  );
};
