import Type from 'typebox';
import { DroverError } from '@drover/contract';
import { iso } from '../queries/reader.ts';
import type { InfoView } from '../rows.ts';
import { InfoView as InfoSchema } from '../rows.ts';
import type { AddRoutes } from './context.ts';
import { answers } from './context.ts';

/** Whether the hub lives, can be used, and where its other doors are. */
export const addHealthRoutes: AddRoutes = (app, context) => {
  const status = answers(Type.Object({ status: Type.String() }));
  app.get('/livez', { schema: { summary: 'The process answers', response: status } }, () => ({ status: 'ok' }));
  app.get('/readyz', { schema: { summary: 'Configuration is in force and heads were compared with NATS', response: status } }, () => {
    if (context.info().ready) return { status: 'ok' };
    throw new DroverError('NOT_READY', 'hub', 'it has not read its configuration yet');
  });
  app.get('/v1/info', { schema: { summary: 'Version and addresses', response: answers(InfoSchema) } }, (request): InfoView => {
    const { version, fleet, startedAt, addresses, natsPid } = context.info();
    return {
      version,
      fleet,
      startedAt: iso(startedAt),
      addresses: { enrolment: addresses.enrolment, fleet: addresses.fleet, nats: [...addresses.nats] },
      natsServer: natsPid === undefined || request.caller === undefined ? null : { pid: natsPid },
    };
  });
};
