import type { FastifyInstance, FastifyReply } from 'fastify';
import Type from 'typebox';
import type { Reader } from '../queries/reader.ts';
import { ProblemDocument, listOf } from '../rows.ts';
import type { ApiDeps } from '../types.ts';

/** What routes work with. */
export interface RouteContext extends ApiDeps, Omit<Reader, 'actions'> {
  /** Aborts when the listener closes: ends streams and waits. */
  readonly closing: AbortSignal;
}

export type AddRoutes = (app: FastifyInstance, context: RouteContext) => void;

const NAME = '^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$';
export const name = (): Type.TString => Type.String({ pattern: NAME, maxLength: 253 });
export const clusterName = (): Type.TString => Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', maxLength: 63 });
/** `shop`, or `team-a/shop`. */
export const deliveryName = (): Type.TString => Type.String({ pattern: '^[a-z0-9][a-z0-9./-]{0,506}$', maxLength: 507 });
export const flag = () => Type.Enum(['true', 'false']);

export const PAGE = {
  limit: Type.Optional(Type.String({ pattern: '^[0-9]{1,4}$', description: 'rows a page, at most 1000; 100 by default' })),
  cursor: Type.Optional(Type.String({ maxLength: 2000, description: '`next` of the page before' })),
};

/** Query of a list: what it can be narrowed by, and the page. Anything else is refused. */
export function query<T extends Type.TProperties>(properties: T) {
  return Type.Object({ ...properties }, { additionalProperties: false });
}

export function answers<T extends Type.TSchema>(schema: T, description = 'as asked') {
  return { 200: { description, ...schema }, '4xx': ProblemDocument, '5xx': ProblemDocument };
}

export function lists<T extends Type.TSchema>(row: T) {
  return answers(listOf(row));
}

/** Aborts when the caller has gone, or the listener closes. */
export function gone(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const away = new AbortController();
  reply.raw.once('close', () => away.abort());
  return AbortSignal.any([away.signal, closing]);
}
