import swagger from '@fastify/swagger';
import { DroverError } from '@drover/contract';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import Fastify from 'fastify';
import { addAuth } from './auth.ts';
import { problemOf } from './problems.ts';
import { addClusterRoutes } from './routes/clusters.ts';
import type { RouteContext } from './routes/context.ts';
import { addDeliveryRoutes } from './routes/deliveries.ts';
import { addEffectRoutes } from './routes/effects.ts';
import { addEventRoutes } from './routes/events.ts';
import { addFleetRoutes } from './routes/fleet.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addHookRoutes } from './routes/hooks.ts';
import { addMetricsRoutes } from './routes/metrics.ts';
import { addReleaseRoutes } from './routes/releases.ts';
import { addSourceRoutes } from './routes/sources.ts';
import { addTokenRoutes } from './routes/tokens.ts';
import { addUnitRoutes } from './routes/units.ts';
import type { ApiDeps } from './types.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** Longer than any address that is read: how long a name may be is for the schemas to say. */
const MAX_PARAMETER = 64 * 1024;
const REQUEST_MS = 30_000;
/** How long requests in flight may take to end when the listener closes; then their connections are cut. */
const CLOSE_MS = 5_000;

/**
 * The HTTP API, ready to be injected or listened with. Values of a request are taken as they were sent: nothing is
 * coerced, what is not known is refused, and the schema runs on the very value that the handler sees.
 */
export async function createApi(deps: ApiDeps, https?: { readonly cert: Uint8Array; readonly key: Uint8Array }): Promise<FastifyInstance> {
  const options: FastifyServerOptions = {
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_MS,
    routerOptions: { maxParamLength: MAX_PARAMETER },
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    allowErrorHandlerOverride: false,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
  };
  const app = (https === undefined ? Fastify(options) : Fastify({ ...options, https } as FastifyServerOptions)) as FastifyInstance;
  const closing = new AbortController();
  let inFlight = 0;
  app.addHook('onRequest', async (_request, reply) => {
    inFlight++;
    reply.raw.once('close', () => void inFlight--);
  });
  app.addHook('preClose', async () => {
    closing.abort();
    const ends = deps.clock.monotonic() + CLOSE_MS;
    while (inFlight > 0 && deps.clock.monotonic() < ends) await deps.clock.sleep(10, new AbortController().signal);
  });
  app.removeContentTypeParser('text/plain');
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(async (thrown, request, reply) => {
    const problem = problemOf(thrown);
    if (problem.status >= 500 && problem.code === 'UNEXPECTED')
      deps.log.error({ err: thrown, method: request.method, route: request.routeOptions.url }, 'a request failed');
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="drover"');
    return reply.code(problem.status).type('application/problem+json').send(problem);
  });
  addAuth(app, deps);
  app.setNotFoundHandler(async (request) => {
    throw new DroverError('NOT_FOUND', `${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`, 'the API has no such path');
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Drover', description: 'The HTTP API of a hub', version: deps.info().version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  const context: RouteContext = { ...deps, db: deps.reads ?? deps.store.db, closing: closing.signal };
  // First: its hook counts what the others answer.
  addMetricsRoutes(app, context);
  addHealthRoutes(app, context);
  addFleetRoutes(app, context);
  addClusterRoutes(app, context);
  addSourceRoutes(app, context);
  addDeliveryRoutes(app, context);
  addUnitRoutes(app, context);
  addReleaseRoutes(app, context);
  addEventRoutes(app, context);
  addEffectRoutes(app, context);
  addTokenRoutes(app, context);
  addHookRoutes(app, context);
  app.get(
    '/openapi.json',
    { schema: { summary: 'This description', response: { 200: { description: 'OpenAPI 3.1', type: 'object' } } } },
    () => app.swagger(),
  );
  await app.ready();
  return app;
}
