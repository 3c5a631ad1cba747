import type { Code } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { ProblemDocument } from './rows.ts';

/** HTTP status of a failure; what is not listed is the hub's own fault. */
const STATUS: Partial<Record<Code, number>> = {
  REQUEST_INVALID: 400,
  CONFIG_INVALID: 400,
  USAGE: 400,
  UNAUTHORIZED: 401,
  TOKEN_INVALID: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CLUSTER_UNKNOWN: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  FIELD_NOT_YET: 501,
  NOT_READY: 503,
  STORE_FAILED: 503,
  NATS_UNREACHABLE: 503,
  SECRET_MISSING: 503,
};

/**
 * A failure as an RFC 9457 document. What the HTTP server itself refused keeps its status; of what nobody foresaw only
 * that it happened is told.
 */
export function problemOf(thrown: unknown): ProblemDocument {
  if (thrown instanceof DroverError && thrown.code !== 'UNEXPECTED') {
    const { code, subject, what, hint, position } = thrown;
    const status = STATUS[code] ?? 500;
    return document(status, code, `${subject}: ${what}`, hint, { subject, ...(position === undefined ? {} : { position }) });
  }
  const { statusCode, message } = thrown as { readonly statusCode?: unknown; readonly message?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const refused = new DroverError('REQUEST_INVALID', 'request', String(message).slice(0, 300));
    return document(statusCode, refused.code, refused.what, refused.hint, {});
  }
  const unexpected = new DroverError('UNEXPECTED', 'request', 'the hub failed to answer; its log says why');
  return document(500, unexpected.code, unexpected.what, unexpected.hint, {});
}

function document(
  status: number,
  code: Code,
  detail: string,
  hint: string,
  extra: Pick<ProblemDocument, 'subject' | 'position'>,
): ProblemDocument {
  return { type: `urn:drover:problem:${code}`, title: TITLES[status] ?? 'Failed', status, detail, code, hint, ...extra };
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  414: 'Address too long',
  415: 'Unsupported media type',
  429: 'Too many requests',
  500: 'Internal error',
  501: 'Not built yet',
  503: 'Not available',
};
