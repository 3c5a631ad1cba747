import type { Code } from '@drover/contract';
import { DroverError } from '@drover/contract';

/** What was asked of the API server. */
export interface Asked {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'apply' | 'delete';
  /** What an error is about: an object, or a resource. */
  readonly subject: string;
  /** `deployments.apps`, or a path of no resource. */
  readonly resource: string;
  /** Values of Secrets never enter a message. */
  readonly secret: boolean;
  /** Name of the object asked for, where it is one. */
  readonly name?: string;
}

/** An answer that is not a success. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  /** Header `Retry-After`. */
  readonly retryAfter?: string;
}

/**
 * What may be done after a failure: `Final` is the answer; `Refused` means that the server did not begin, so that
 * anything may be sent again; `Busy` and `Lost` mean that it may have begun.
 */
export type Outcome = 'Final' | 'Refused' | 'Busy' | 'Lost';

export interface Failure {
  readonly error: DroverError;
  readonly outcome: Outcome;
  /** The server's wish, in ms. */
  readonly retryAfterMs?: number;
}

interface Status {
  readonly message: string;
  readonly reason: string;
  readonly kind?: string;
  readonly name?: string;
  readonly retryAfterSeconds?: number;
  readonly causes: readonly { readonly reason: string; readonly message: string; readonly field: string }[];
}

/**
 * Judges an answer by its status, reason and words: the same words come with different numbers, and an unknown field on
 * apply comes as a plain 500.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/
 * @see https://github.com/kubernetes/kubernetes/issues/139253
 */
export function failureOf(asked: Asked, reply: Reply): Failure {
  const status = parseStatus(reply.text);
  const { message } = status;
  const final = (code: Code, what = message): Failure => ({ error: errorOf(asked, code, what), outcome: 'Final' });

  const webhook = /admission webhook "[^"]*" denied the request|ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request/.test(
    message,
  );
  if (webhook) return final('KUBE_ADMISSION_DENIED');
  if (/failed calling webhook|failed to call webhook/.test(message)) return final('KUBE_ADMISSION_DENIED');
  if (isTooLarge(reply.status, message)) return final('OBJECT_TOO_LARGE');

  switch (reply.status) {
    case 400:
      return /unknown field|strict decoding error/.test(message) ? final('KUBE_FIELD_UNKNOWN') : final('KUBE_REJECTED');
    case 401:
      return {
        error: errorOf(asked, 'KUBE_FORBIDDEN', `the credentials were not accepted for ${asked.verb} of ${asked.resource}`),
        outcome: 'Refused',
      };
    case 403:
      return forbidden(asked, status);
    case 404:
      return notFound(asked, status);
    case 409:
      if (/object is being deleted/.test(message)) return final('KUBE_TERMINATING');
      return final('KUBE_CONFLICT');
    case 410:
      return final('KUBE_WATCH_EXPIRED');
    case 422:
      return invalid(asked, status);
    case 429:
      return { error: errorOf(asked, 'KUBE_BUSY', message), outcome: 'Refused', ...retryAfter(reply, status) };
    default:
      if (reply.status < 500) return final('KUBE_REJECTED');
      return serverError(asked, reply, status);
  }
}

/** Codes of Node and undici that mean: the request never left. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** Judges a failure of the connection; a broken certificate counts as not sent. */
export function connectionFailure(asked: Asked, thrown: unknown): Failure {
  const code = codeOf(thrown);
  const words = Error.isError(thrown) ? thrown.message : String(thrown);
  const error = new DroverError('KUBE_UNREACHABLE', asked.subject, `${asked.verb}: ${words || code}`, { cause: thrown });
  return { error, outcome: NOT_SENT.has(code) || isTlsFailure(thrown) ? 'Refused' : 'Lost' };
}

/** True when the certificates in use, ours or the server's, are the cause: they may have been renewed on disk. */
export function isTlsFailure(thrown: unknown): boolean {
  return /CERT|ERR_TLS|ERR_SSL|VERIFY|SELF_SIGNED/.test(codeOf(thrown));
}

/** For requests that are not sent again once their reply was lost. */
export function outcomeUnknown(asked: Asked, failure: Failure): DroverError {
  const what = `the reply to ${asked.verb} was lost (${failure.error.what}): it may have been done`;
  return new DroverError('KUBE_OUTCOME_UNKNOWN', asked.subject, what, { cause: failure.error });
}

function forbidden(asked: Asked, status: Status): Failure {
  const terminating =
    status.causes.some(({ reason }) => reason === 'NamespaceTerminating') ||
    /because it is being terminated|while custom resource definition is terminating/.test(status.message);
  if (terminating) return { error: errorOf(asked, 'KUBE_TERMINATING', status.message), outcome: 'Final' };
  const rights = /User "[^"]*" cannot \S+ (resource|path)|cannot impersonate|is not allowed to/.test(status.message);
  const what = rights ? `${asked.verb} of ${asked.resource} is not allowed: ${status.message}` : status.message;
  return { error: errorOf(asked, rights ? 'KUBE_FORBIDDEN' : 'KUBE_ADMISSION_DENIED', what), outcome: 'Final' };
}

/** A 404 says "no such object" only when it names that object; any other 404 says nothing about it. */
function notFound(asked: Asked, status: Status): Failure {
  const final = (code: Code, what: string): Failure => ({ error: errorOf(asked, code, what), outcome: 'Final' });
  if (status.kind === 'namespaces' && asked.resource !== 'namespaces')
    return final('KUBE_NAMESPACE_MISSING', `namespace ${status.name ?? ''} does not exist`);
  if (asked.name !== undefined && status.reason === 'NotFound' && status.name === asked.name) return final('NOT_FOUND', status.message);
  return final('KUBE_KIND_UNKNOWN', `the API server does not serve ${asked.resource}`);
}

const IMMUTABLE =
  /immutable|may not be changed|may not change|cannot be changed|updates to .* are forbidden|is forbidden after creation|may not be updated/i;

function invalid(asked: Asked, status: Status): Failure {
  const cause = status.causes.find(({ message }) => IMMUTABLE.test(message));
  if (cause !== undefined)
    return { error: errorOf(asked, 'KUBE_IMMUTABLE', `${cause.field}: ${short(asked, cause.message)}`, true), outcome: 'Final' };
  const causes = status.causes.map(({ field, message }) => (field === '' || field === '<nil>' ? message : `${field}: ${message}`));
  return { error: errorOf(asked, 'KUBE_REJECTED', causes.length > 0 ? causes.join('; ') : status.message), outcome: 'Final' };
}

function serverError(asked: Asked, reply: Reply, status: Status): Failure {
  const { message } = status;
  const typed = /failed to create typed patch object|error decoding patch|failed to create manager|.*: expected .*, got /.test(message);
  if (typed) {
    const unknown = /field not declared in schema|unknown field/.test(message);
    const what = message.replace(/^failed to create typed patch object \([^)]*\): /, '');
    return { error: errorOf(asked, unknown ? 'KUBE_FIELD_UNKNOWN' : 'KUBE_REJECTED', what), outcome: 'Final' };
  }
  return { error: errorOf(asked, 'KUBE_BUSY', `HTTP ${reply.status}: ${message}`), outcome: 'Busy', ...retryAfter(reply, status) };
}

function isTooLarge(status: number, message: string): boolean {
  return (
    status === 413 ||
    /etcdserver: request is too large|trying to send message larger than max|Too long: may not be more than 1048576 bytes/.test(message)
  );
}

function retryAfter(reply: Reply, status: Status): { readonly retryAfterMs?: number } {
  const header = /^\d+$/.test(reply.retryAfter ?? '') ? Number(reply.retryAfter) : undefined;
  const seconds = header ?? status.retryAfterSeconds;
  return seconds === undefined ? {} : { retryAfterMs: seconds * 1000 };
}

function errorOf(asked: Asked, code: Code, what: string, ready = false): DroverError {
  return new DroverError(code, asked.subject, ready ? what : short(asked, what));
}

const LONGEST = 600;

/** Values that the server quotes are left out where they may be secret, and cut where they are long. */
function short(asked: Asked, what: string): string {
  let text = what.replace(/Invalid value: (.*?): (?=[^:]*$)/s, (whole, value: string) =>
    asked.secret || value.length > 120 ? 'Invalid value: ' : whole,
  );
  if (asked.secret) text = text.replace(/(expected [^,]*), got .*/s, '$1').replace(/Invalid value: "(?:[^"\\]|\\.)*"/gs, 'Invalid value');
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function parseStatus(text: string): Status {
  let value: {
    message?: unknown;
    reason?: unknown;
    details?: { kind?: unknown; name?: unknown; retryAfterSeconds?: unknown; causes?: unknown };
  } = {};
  try {
    value = (JSON.parse(text) as typeof value | null) ?? {};
  } catch {
    return { message: text.trim().slice(0, 200), reason: '', causes: [] };
  }
  const { details } = value;
  const causes = Array.isArray(details?.causes) ? (details.causes as Record<string, unknown>[]) : [];
  return {
    message: textOf(value.message),
    reason: textOf(value.reason),
    ...(typeof details?.kind === 'string' ? { kind: details.kind } : {}),
    ...(typeof details?.name === 'string' ? { name: details.name } : {}),
    ...(typeof details?.retryAfterSeconds === 'number' ? { retryAfterSeconds: details.retryAfterSeconds } : {}),
    causes: causes.map((cause) => ({ reason: textOf(cause['reason']), message: textOf(cause['message']), field: textOf(cause['field']) })),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return '';
  const { code, cause } = thrown as { code?: unknown; cause?: unknown };
  return typeof code === 'string' ? code : codeOf(cause);
}
