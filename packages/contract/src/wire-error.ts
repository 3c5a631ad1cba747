import type { ServiceError } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import type { Code } from './errors.ts';
import { DroverError, FAILURES } from './errors.ts';

/**
 * Errors over gRPC: the code travels in the trailer `drover-code`, the text is the one that a `DroverError` was given.
 * What was thrown by anything else never leaves the program: its text may hold anything.
 */
const CODE_KEY = 'drover-code';

const STATUS: Partial<Record<Code, status>> = {
  TOKEN_INVALID: status.UNAUTHENTICATED,
  CLUSTER_UNKNOWN: status.PERMISSION_DENIED,
  CLUSTER_CLONED: status.ALREADY_EXISTS,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  MESSAGE_REFUSED: status.INVALID_ARGUMENT,
  UNEXPECTED: status.INTERNAL,
};

export function toServiceError(thrown: unknown): Pick<ServiceError, 'name' | 'message' | 'code' | 'details' | 'metadata'> {
  const code: Code = thrown instanceof DroverError ? thrown.code : 'UNEXPECTED';
  const details = thrown instanceof DroverError && code !== 'UNEXPECTED' ? thrown.what : 'the hub failed; its log says why';
  const metadata = new Metadata();
  metadata.set(CODE_KEY, code);
  const otherwise = FAILURES[code].kind === 'transient' ? status.UNAVAILABLE : status.FAILED_PRECONDITION;
  return { name: 'ServiceError', message: details, code: STATUS[code] ?? otherwise, details, metadata };
}

/** What a failed call means; without a code of ours the hub was not reached or did not answer. */
export function fromServiceError(error: ServiceError, subject: string): DroverError {
  const [text] = error.metadata?.get(CODE_KEY) ?? [];
  const code: Code = typeof text === 'string' && Object.hasOwn(FAILURES, text) ? (text as Code) : 'HUB_UNREACHABLE';
  return new DroverError(code, subject, error.details === '' ? error.message : error.details, { cause: error });
}
