import { fleetView } from '../queries/fleet.ts';
import { FleetView } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { answers } from './context.ts';

export const addFleetRoutes: AddRoutes = (app, context) => {
  const schema = { summary: 'The fleet on one page: counts, sources, Deliveries, and what needs a person', response: answers(FleetView) };
  app.get('/v1/fleet', { schema }, () => fleetView(context, context.info()));
};
