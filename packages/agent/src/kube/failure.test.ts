import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code } from '@drover/contract';
import type { Asked, Outcome } from './failure.ts';
import { connectionFailure, failureOf, outcomeUnknown } from './failure.ts';

const asked: Asked = { verb: 'apply', subject: 'Deployment shop/web', resource: 'deployments.apps', secret: false, name: 'web' };
const secret: Asked = { ...asked, subject: 'Secret shop/db', resource: 'secrets', secret: true, name: 'db' };
const status = (message: string, reason = '', details?: object): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, ...(details === undefined ? {} : { details }) });
const cause = (reason: string, field: string, message: string) => ({ causes: [{ reason, field, message }] });

const cases: readonly {
  readonly name: string;
  readonly status: number;
  readonly text: string;
  readonly asked?: Asked;
  readonly code: Code;
  readonly what?: string | RegExp;
  readonly outcome?: Outcome;
  readonly not?: RegExp;
}[] = [
  {
    name: 'B11 an unknown field on apply comes as HTTP 500 and names the field',
    status: 500,
    text: status(
      'failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="c"].imag: field not declared in schema',
    ),
    code: 'KUBE_FIELD_UNKNOWN',
    what: '.spec.template.spec.containers[name="c"].imag: field not declared in schema',
  },
  {
    name: 'B11 an unknown field on create comes as HTTP 400',
    status: 400,
    text: status('strict decoding error: unknown field "spec.imag"', 'BadRequest'),
    code: 'KUBE_FIELD_UNKNOWN',
  },
  {
    name: 'a wrong type comes as HTTP 500 and is not tried again',
    status: 500,
    text: status(
      'failed to create typed patch object (/e; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string',
    ),
    code: 'KUBE_REJECTED',
    what: '.spec.replicas: expected numeric (int or float), got string',
  },
  {
    name: 'an invalid value names the field',
    status: 422,
    text: status(
      'Deployment.apps "web" is invalid: …',
      'Invalid',
      cause('FieldValueInvalid', 'spec.template.spec.containers[0].name', 'Invalid value: "C_": a lowercase RFC 1123 label'),
    ),
    code: 'KUBE_REJECTED',
    what: 'spec.template.spec.containers[0].name: Invalid value: "C_": a lowercase RFC 1123 label',
  },
  {
    name: 'an immutable field is named, without the value it quotes at length',
    status: 422,
    text: status(
      'Job.batch "j" is invalid',
      'Invalid',
      cause('FieldValueInvalid', 'spec.template', `Invalid value: {${'"a":1,'.repeat(200)}}: field is immutable`),
    ),
    code: 'KUBE_IMMUTABLE',
    what: 'spec.template: Invalid value: field is immutable',
  },
  {
    name: 'a field that may not change once set is immutable',
    status: 422,
    text: status(
      'Service "s" is invalid',
      'Invalid',
      cause('FieldValueInvalid', 'spec.clusterIPs[0]', 'Invalid value: ["10.96.0.78"]: may not change once set'),
    ),
    code: 'KUBE_IMMUTABLE',
    what: 'spec.clusterIPs[0]: Invalid value: ["10.96.0.78"]: may not change once set',
  },
  {
    name: 'forbidden updates of a StatefulSet are immutable fields',
    status: 422,
    text: status(
      'StatefulSet.apps "d" is invalid',
      'Invalid',
      cause('FieldValueForbidden', 'spec', "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"),
    ),
    code: 'KUBE_IMMUTABLE',
    what: /^spec: Forbidden: updates to statefulset spec/,
  },
  {
    name: 'missing rights name verb and resource',
    status: 403,
    text: status(
      'deployments.apps "web" is forbidden: User "system:serviceaccount:x:y" cannot patch resource "deployments" in API group "apps" in the namespace "shop"',
      'Forbidden',
    ),
    code: 'KUBE_FORBIDDEN',
    what: /^apply of deployments\.apps is not allowed: .* cannot patch resource "deployments" .* in the namespace "shop"$/,
  },
  {
    name: 'refused credentials may be read anew: nothing was begun',
    status: 401,
    text: status('Unauthorized', 'Unauthorized'),
    code: 'KUBE_FORBIDDEN',
    what: 'the credentials were not accepted for apply of deployments.apps',
    outcome: 'Refused',
  },
  {
    name: 'a webhook that denies is quoted',
    status: 403,
    text: status('admission webhook "policy.example.com" denied the request: image not signed', 'Forbidden'),
    code: 'KUBE_ADMISSION_DENIED',
    what: 'admission webhook "policy.example.com" denied the request: image not signed',
  },
  {
    name: 'a webhook may deny with any number',
    status: 400,
    text: status('admission webhook "policy.example.com" denied the request: no', 'BadRequest'),
    code: 'KUBE_ADMISSION_DENIED',
  },
  {
    name: 'an admission policy that denies is quoted',
    status: 422,
    text: status(
      `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas < 5`,
      'Invalid',
    ),
    code: 'KUBE_ADMISSION_DENIED',
    what: /ValidatingAdmissionPolicy 'p'/,
  },
  {
    name: 'a webhook that does not answer is admission, not a busy server',
    status: 500,
    text: status(
      'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post "https://policy": dial tcp: connect: connection refused',
      'InternalError',
    ),
    code: 'KUBE_ADMISSION_DENIED',
  },
  {
    name: 'an exceeded quota is admission',
    status: 403,
    text: status('pods "a" is forbidden: exceeded quota: q', 'Forbidden'),
    code: 'KUBE_ADMISSION_DENIED',
  },
  {
    name: 'a namespace that is being deleted is waited for',
    status: 403,
    text: status('configmaps "a" is forbidden: unable to create new content in namespace x because it is being terminated', 'Forbidden', {
      causes: [{ reason: 'NamespaceTerminating', message: 'namespace x is being terminated', field: 'metadata.namespace' }],
    }),
    code: 'KUBE_TERMINATING',
  },
  {
    name: 'a kind whose definition is being deleted is waited for',
    status: 403,
    text: status('widgets.example.com "w" is forbidden: create not allowed while custom resource definition is terminating', 'Forbidden'),
    code: 'KUBE_TERMINATING',
  },
  {
    name: 'an object that is being deleted is waited for',
    status: 409,
    text: status('object is being deleted: configmaps "a" already exists', 'AlreadyExists'),
    code: 'KUBE_TERMINATING',
  },
  { name: 'a conflict is a conflict', status: 409, text: status('the object has been modified', 'Conflict'), code: 'KUBE_CONFLICT' },
  {
    name: 'a namespace that does not exist is named',
    status: 404,
    text: status('namespaces "shop" not found', 'NotFound', { name: 'shop', kind: 'namespaces' }),
    code: 'KUBE_NAMESPACE_MISSING',
    what: 'namespace shop does not exist',
  },
  {
    name: 'I2 a 404 that names the object says that it does not exist',
    status: 404,
    text: status('deployments.apps "web" not found', 'NotFound', { name: 'web', group: 'apps', kind: 'deployments' }),
    code: 'NOT_FOUND',
  },
  {
    name: 'R19 a 404 without the name of the object says nothing about it',
    status: 404,
    text: status('the server could not find the requested resource', 'NotFound', {}),
    code: 'KUBE_KIND_UNKNOWN',
    what: 'the API server does not serve deployments.apps',
  },
  { name: 'R19 a 404 in plain text says nothing about an object', status: 404, text: '404 page not found\n', code: 'KUBE_KIND_UNKNOWN' },
  {
    name: 'R19 a 404 about another object says nothing about this one',
    status: 404,
    text: status('deployments.apps "other" not found', 'NotFound', { name: 'other', kind: 'deployments' }),
    code: 'KUBE_KIND_UNKNOWN',
  },
  {
    name: 'an object above the request limit is too large',
    status: 413,
    text: status('Request entity too large: limit is 3145728', 'RequestEntityTooLarge'),
    code: 'OBJECT_TOO_LARGE',
  },
  {
    name: 'an object above the limit of etcd is too large',
    status: 500,
    text: status('etcdserver: request is too large'),
    code: 'OBJECT_TOO_LARGE',
  },
  {
    name: 'a ConfigMap above its limit is too large',
    status: 422,
    text: status(
      'ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes',
      'Invalid',
      cause('FieldValueTooLong', '[]', 'Too long: may not be more than 1048576 bytes'),
    ),
    code: 'OBJECT_TOO_LARGE',
  },
  {
    name: 'an expired version asks for a new list',
    status: 410,
    text: status('too old resource version', 'Expired'),
    code: 'KUBE_WATCH_EXPIRED',
  },
  {
    name: 'F15 a server that is busy did not begin',
    status: 429,
    text: status('too many requests', 'TooManyRequests'),
    code: 'KUBE_BUSY',
    outcome: 'Refused',
  },
  {
    name: 'F15 a server that is unavailable may have begun',
    status: 503,
    text: 'service unavailable\n',
    code: 'KUBE_BUSY',
    outcome: 'Busy',
  },
  {
    name: 'F15 a timeout of the server may have begun',
    status: 504,
    text: status('Timeout', 'Timeout'),
    code: 'KUBE_BUSY',
    outcome: 'Busy',
  },
  {
    name: 'values of a Secret are left out of a message',
    asked: secret,
    status: 422,
    text: status(
      'Secret "db" is invalid',
      'Invalid',
      cause('FieldValueInvalid', 'data[.dockerconfigjson]', 'Invalid value: "hunter2": not a config'),
    ),
    code: 'KUBE_REJECTED',
    what: /^data\[\.dockerconfigjson\]: Invalid value/,
    not: /hunter2/,
  },
  {
    name: 'a mistyped value of a Secret is left out of a message',
    asked: secret,
    status: 500,
    text: status(
      'failed to create typed patch object (/db; /v1, Kind=Secret): .data.x: expected string, got &value.valueUnstructured{Value:4711}',
    ),
    code: 'KUBE_REJECTED',
    what: '.data.x: expected string',
  },
];

for (const { name, status: number, text, code, what, outcome = 'Final', not, asked: given = asked } of cases) {
  test(`failureOf: ${name}`, () => {
    const failure = failureOf(given, { status: number, text });
    assert.equal(failure.error.code, code, failure.error.message);
    assert.equal(failure.error.subject, given.subject);
    assert.equal(failure.outcome, outcome);
    if (typeof what === 'string') assert.equal(failure.error.what, what);
    if (what instanceof RegExp) assert.match(failure.error.what, what);
    if (not !== undefined) assert.doesNotMatch(failure.error.message, not);
  });
}

test('F15 the server says how long to wait in a header, or in its answer', () => {
  assert.equal(failureOf(asked, { status: 429, text: '', retryAfter: '3' }).retryAfterMs, 3000);
  assert.equal(failureOf(asked, { status: 503, text: status('wait', '', { retryAfterSeconds: 2 }) }).retryAfterMs, 2000);
  assert.equal(failureOf(asked, { status: 503, text: '', retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' }).retryAfterMs, undefined);
});

const broken = (code: string): Error => Object.assign(new Error(code), { code });

test('F15 a refused connection was never sent, a reset one may have been done', () => {
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT']) {
    assert.equal(connectionFailure(asked, broken(code)).outcome, 'Refused', code);
  }
  for (const code of ['ECONNRESET', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'EPIPE', '']) {
    assert.equal(connectionFailure(asked, broken(code)).outcome, 'Lost', code);
  }
  const wrapped = new TypeError('fetch failed', { cause: broken('ECONNREFUSED') });
  assert.equal(connectionFailure(asked, wrapped).outcome, 'Refused');
});

test('a lost reply says what was asked and that it may have been done', () => {
  const error = outcomeUnknown({ ...asked, verb: 'delete' }, connectionFailure(asked, broken('ECONNRESET')));
  assert.equal(error.code, 'KUBE_OUTCOME_UNKNOWN');
  assert.match(error.what, /the reply to delete was lost .* it may have been done/);
});
