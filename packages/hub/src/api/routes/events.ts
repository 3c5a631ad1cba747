import { Readable } from 'node:stream';
import { DroverError } from '@drover/contract';
import type { Static } from 'typebox';
import Type from 'typebox';
import { readDuration } from '../duration.ts';
import { pageOf } from '../page.ts';
import type { EventFilter } from '../queries/events.ts';
import { lastEventId, listEvents } from '../queries/events.ts';
import { EventRow } from '../rows.ts';
import { eventStream } from '../event-stream.ts';
import type { AddRoutes } from './context.ts';
import { PAGE, clusterName, deliveryName, gone, lists, name, query } from './context.ts';

const narrowed = {
  namespace: Type.Optional(name()),
  delivery: Type.Optional(deliveryName()),
  cluster: Type.Optional(clusterName()),
  severity: Type.Optional(Type.Enum(['Info', 'Warning', 'Error'])),
  reason: Type.Optional(Type.String({ pattern: '^[A-Za-z_]{1,60}$' })),
};
const since = Type.Optional(Type.String({ maxLength: 40, description: 'an id: the log after it, oldest first; or a duration such as 1h' }));
const List = query({ ...narrowed, since, ...PAGE });
const Stream = query({ ...narrowed, since: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$', description: 'an id' })) });

const MAX_STREAMS = 256;

export const addEventRoutes: AddRoutes = (app, context) => {
  app.get('/v1/events', { schema: { summary: 'The log, newest first', querystring: List, response: lists(EventRow) } }, (request) => {
    const { since: from, limit, cursor, ...filter } = request.query as Static<typeof List>;
    const page = pageOf({ ...(limit === undefined ? {} : { limit }), ...(cursor === undefined ? {} : { cursor }) }, 1);
    return listEvents(context, { ...filter, ...sinceOf(from, context.now()) }, page);
  });

  let open = 0;
  const schema = {
    summary: 'The log as server-sent events; Last-Event-ID resumes it',
    querystring: Stream,
    produces: ['text/event-stream'],
  };
  app.get('/v1/events/stream', { schema }, async (request, reply) => {
    if (open >= MAX_STREAMS) throw new DroverError('RATE_LIMITED', 'event streams', `${MAX_STREAMS} are open`);
    const { since: asked, ...filter } = request.query as Static<typeof Stream>;
    const header = request.headers['last-event-id'];
    const from = typeof header === 'string' && /^\d{1,15}$/.test(header) ? header : asked;
    const last = await lastEventId(context);
    const signal = gone(reply, context.closing);
    open++;
    signal.addEventListener('abort', () => void open--, { once: true });
    // An id from before the store was lost is not one to wait for.
    const start = from === undefined ? last : Math.min(Number(from), last);
    const text = eventStream(context, filter, start, signal);
    return reply
      .type('text/event-stream')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(Readable.from(text, { objectMode: false }));
  });
};

function sinceOf(text: string | undefined, now: number): Pick<EventFilter, 'since' | 'notBefore'> {
  if (text === undefined) return {};
  return /^\d{1,15}$/.test(text) ? { since: Number(text) } : { notBefore: now - readDuration(text, 'since') };
}
