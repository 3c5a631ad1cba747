import type { Static } from 'typebox';
import Type from 'typebox';
import { pageOf } from '../page.ts';
import { deliveryDetail, listDeliveries } from '../queries/deliveries.ts';
import { DeliveryDetail, DeliveryRow } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, answers, lists, name, query } from './context.ts';

const Query = query({ namespace: Type.Optional(name()), ...PAGE });
const Params = Type.Object({ namespace: name(), name: name() });

export const addDeliveryRoutes: AddRoutes = (app, context) => {
  app.get('/v1/deliveries', { schema: { summary: 'Deliveries', querystring: Query, response: lists(DeliveryRow) } }, (request) => {
    const asked = request.query as Static<typeof Query>;
    return listDeliveries(context, asked, pageOf(asked, 2));
  });
  app.get(
    '/v1/deliveries/:namespace/:name',
    { schema: { summary: 'One Delivery', params: Params, response: answers(DeliveryDetail) } },
    (request) => deliveryDetail(context, request.params as Static<typeof Params>),
  );
};
