import { DroverError } from '@drover/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from '#identity/tokens.ts';
import type { Policy } from './policy.ts';
import { POLICIES, allows } from './policy.ts';
import type { ApiTokens } from './types.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
  interface FastifyContextConfig {
    policy?: Policy;
  }
}

/** Who calls without a token on the hub's own machine. */
export const LOCAL: Caller = { id: 'local', name: 'local', role: 'admin' };

/**
 * Denies by default: a request is let in by its route's policy alone, and a path without route is told apart from one
 * that is not allowed only to those who may look.
 *
 * Without a token nobody is let in, except where the listener and the peer are loopback: then whoever works on this
 * machine is. A token that is given counts there too. Requests that another site's page or a proxy sent are not local.
 */
export function addAuth(app: FastifyInstance, deps: { readonly tokens: ApiTokens; readonly host: string }): void {
  app.addHook('onRoute', (route) => {
    for (const method of Array.isArray(route.method) ? route.method : [route.method]) {
      const policy = POLICIES[`${method} ${route.url}`];
      if (policy === undefined) throw new DroverError('UNEXPECTED', `${method} ${route.url}`, 'the route has no policy');
      route.config = { ...route.config, policy };
    }
  });
  app.decorateRequest('caller', undefined);
  app.addHook('onRequest', async (request) => {
    const { policy } = request.routeOptions.config;
    if (policy === 'signed') return;
    request.caller = await callerOf(request, deps);
    if (policy === 'public') return;
    if (request.caller === undefined) throw refusal(request);
    if (policy !== undefined && !allows(policy, request.caller.role)) {
      const { name, role } = request.caller;
      throw new DroverError('FORBIDDEN', `${request.method} ${request.url.split('?')[0]}`, `${name} is ${role}; it needs ${policy}`);
    }
  });
}

function refusal(request: FastifyRequest): DroverError {
  const what = request.headers.authorization === undefined ? 'no token was given' : 'the token is not one in force';
  return new DroverError('UNAUTHORIZED', 'request', what);
}

async function callerOf(request: FastifyRequest, deps: { readonly tokens: ApiTokens; readonly host: string }): Promise<Caller | undefined> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const match = /^Bearer ([\x21-\x7e]{1,200})$/i.exec(authorization);
    return match === null ? undefined : deps.tokens.authenticate(match[1] ?? '');
  }
  return isLoopback(deps.host) && isLocal(request) ? LOCAL : undefined;
}

/** A page of another site can make a browser call loopback, under its own name by rebinding; a proxy calls for others. */
function isLocal(request: FastifyRequest): boolean {
  const { headers } = request;
  if (!isLoopback(request.socket.remoteAddress ?? '')) return false;
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false;
  const host = hostname(headers.host ?? '');
  if (host === undefined || !isLoopback(host)) return false;
  const { origin } = headers;
  return origin === undefined || origin === `${request.protocol}://${headers.host}`;
}

function hostname(host: string): string | undefined {
  return /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i
    .exec(host)
    ?.slice(1)
    .find((part) => part !== undefined);
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}

/** Who is named as the actor of an event. */
export function actorOf(request: FastifyRequest): string {
  return request.caller?.name ?? 'nobody';
}
