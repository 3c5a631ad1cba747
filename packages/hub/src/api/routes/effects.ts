import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import Type from 'typebox';
import { actorOf } from '../auth.ts';
import { readDuration } from '../duration.ts';
import { awaitEffect } from '../effects/await-effect.ts';
import type { Waiting } from '../effects/await-effect.ts';
import { accept, enforce, reject } from '../effects/clusters.ts';
import { reconcile } from '../effects/reconcile.ts';
import { resume, showTarget, suspend, uidsOf } from '../effects/suspend.ts';
import { unitsOf, unsettled, untold } from '../effects/units-of.ts';
import type { Target } from '../queries/suspensions.ts';
import { readSuspensions } from '../queries/suspensions.ts';
import { modeOf, unitRow } from '../queries/units.ts';
import type { EffectView, SuspensionRow } from '../rows.ts';
import { EffectView as EffectSchema, ProblemDocument } from '../rows.ts';
import type { AddRoutes, RouteContext } from './context.ts';
import { clusterName, gone, name, query } from './context.ts';
import { SourceParams } from './sources.ts';
import { UnitParams } from './units.ts';

/** What a caller may say to any of these: why, and how long a suspension lasts. */
const Body = Type.Object({ message: Type.Optional(Type.String({ maxLength: 500 })) }, { additionalProperties: false });
const SuspendBody = Type.Object(
  {
    message: Type.Optional(Type.String({ maxLength: 500 })),
    for: Type.Optional(Type.String({ maxLength: 40, description: 'for example 2h' })),
  },
  { additionalProperties: false },
);
const Query = query({
  wait: Type.Optional(Type.String({ maxLength: 40, description: 'for example 30s: answer when it has taken effect' })),
});
const MAX_WAIT_MS = 10 * 60_000;
const MAX_SUSPENSION_MS = 365 * 86_400_000;

const answersEffect = {
  200: { description: 'it has taken effect', ...EffectSchema },
  202: { description: 'it was taken on; what it waits for is listed', ...EffectSchema },
  '4xx': ProblemDocument,
  '5xx': ProblemDocument,
};

/** Where a target stands in a path, and how its parameters name it. */
const TARGETS: readonly {
  readonly path: string;
  readonly params: Type.TSchema;
  readonly target: (params: Readonly<Record<string, string>>) => Target;
}[] = [
  {
    path: '/v1/sources/:kind/:namespace/:name',
    params: SourceParams,
    target: ({ kind = '', namespace = '', name: source = '' }) => ({ type: 'source', kind, namespace, name: source }),
  },
  {
    path: '/v1/deliveries/:namespace/:name',
    params: Type.Object({ namespace: name(), name: name() }),
    target: ({ namespace = '', name: delivery = '' }) => ({ type: 'delivery', namespace, delivery }),
  },
  {
    path: '/v1/units/:namespace/:delivery/:cluster',
    params: UnitParams,
    target: ({ namespace = '', delivery = '', cluster = '' }) => ({ type: 'unit', namespace, delivery, cluster }),
  },
  {
    path: '/v1/clusters/:name',
    params: Type.Object({ name: clusterName() }),
    target: ({ name: cluster = '' }) => ({ type: 'cluster', cluster }),
  },
];

/** What can be asked of the fleet. Each is answered at once, or with `?wait=` when it has taken effect. */
export const addEffectRoutes: AddRoutes = (app, context) => {
  for (const { path, params, target } of TARGETS) {
    const of = (request: FastifyRequest): Target => target(request.params as Record<string, string>);
    post(app, `${path}/reconcile`, 'Fetch, render and verify again', params, Body, (request, reply) =>
      answerReconcile(context, of(request), request, reply),
    );
    post(app, `${path}/suspend`, 'Hands off: neither applied, pruned nor corrected', params, SuspendBody, (request, reply) =>
      answerSuspend(context, of(request), request, reply),
    );
    post(app, `${path}/resume`, 'Lift a suspension by API', params, Body, (request, reply) =>
      answerResume(context, of(request), request, reply),
    );
  }
  const Params = Type.Object({ name: clusterName() });
  const named = (request: FastifyRequest): string => (request.params as Static<typeof Params>).name;
  post(app, '/v1/clusters/:name/accept', 'Let a cluster into the fleet', Params, Body, async (request, reply) => {
    const { run } = await accept(context, named(request), actorOf(request));
    return answer(context, request, reply, run, async () => [], `cluster ${named(request)} is accepted`);
  });
  post(app, '/v1/clusters/:name/reject', 'Turn a cluster away that waits to be accepted', Params, Body, async (request, reply) => {
    await reject(context, named(request), actorOf(request));
    return answer(context, request, reply, Promise.resolve(), async () => [], `cluster ${named(request)} is rejected`);
  });
  post(app, '/v1/clusters/:name/enforce', 'From Observe to Enforce', Params, Body, async (request, reply) => {
    const cluster = named(request);
    const { run } = await enforce(context, cluster, actorOf(request));
    const pending = async (): Promise<readonly Waiting[]> => {
      const rows = await unitsOf(context, { type: 'cluster', cluster });
      return untold(rows, (report, row) => report.mode === 'Enforce' || modeOf(context, row, JSON.parse(row.delivery_spec)) === 'Observe');
    };
    return answer(context, request, reply, run, pending, `cluster ${cluster} is enforced`);
  });
};

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<EffectView>;

/** @throws DroverError REQUEST_INVALID */
function waitOf(request: FastifyRequest): number {
  const { wait } = request.query as Static<typeof Query>;
  return wait === undefined ? 0 : readDuration(wait, 'wait', MAX_WAIT_MS);
}

function post(app: FastifyInstance, path: string, summary: string, params: Type.TSchema, body: Type.TSchema, handler: Handler): void {
  app.post(
    path,
    {
      schema: { summary, params, body, querystring: Query, response: answersEffect },
      // A body says why; without one there is nothing to say.
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    (request, reply) => {
      // Before anything is done.
      waitOf(request);
      return handler(request, reply);
    },
  );
}

async function answer(
  context: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  run: Promise<unknown>,
  pending: () => Promise<readonly Waiting[]>,
  message: string | ((done: boolean) => string),
  suspensions: readonly SuspensionRow[] = [],
): Promise<EffectView> {
  const { done, waitingFor } = await awaitEffect(context, run, pending, waitOf(request), gone(reply, context.closing));
  reply.code(done ? 200 : 202);
  return {
    done,
    waitingFor: [...waitingFor],
    message: typeof message === 'string' ? message : message(done),
    suspensions: [...suspensions],
  };
}

async function answerReconcile(context: RouteContext, target: Target, request: FastifyRequest, reply: FastifyReply): Promise<EffectView> {
  const { run } = await reconcile(context, target);
  const pending = async (): Promise<readonly Waiting[]> => unsettled(context, await unitsOf(context, target));
  const message = (done: boolean): string => `${showTarget(target)} ${done ? 'is reconciled' : 'is being reconciled'}`;
  return answer(context, request, reply, run, pending, message);
}

async function answerSuspend(context: RouteContext, target: Target, request: FastifyRequest, reply: FastifyReply): Promise<EffectView> {
  const { message = '', for: duration } = request.body as Static<typeof SuspendBody>;
  const until = duration === undefined ? undefined : context.now() + readDuration(duration, 'for', MAX_SUSPENSION_MS);
  await suspend(context, target, { by: actorOf(request), message, until });
  const run = context.actions.recompose(await uidsOf(context.db, target));
  const pending = async (): Promise<readonly Waiting[]> => untold(await unitsOf(context, target), (report) => report.suspended);
  return answer(context, request, reply, run, pending, `${showTarget(target)} is suspended`);
}

async function answerResume(context: RouteContext, target: Target, request: FastifyRequest, reply: FastifyReply): Promise<EffectView> {
  const { lifted, still } = await resume(context, target, actorOf(request));
  const run = context.actions.recompose(await uidsOf(context.db, target));
  const pending = async (): Promise<readonly Waiting[]> => {
    const suspensions = await readSuspensions(context);
    return untold(await unitsOf(context, target), (report, row) => !report.suspended || unitRow(context, row, suspensions).suspended);
  };
  const word = still.length > 0 ? 'is still suspended' : lifted ? 'is resumed' : 'was not suspended';
  const message = `${showTarget(target)} ${word}`;
  return answer(context, request, reply, run, pending, message, still);
}
