import type { Json, JsonObject, Position } from '@drover/contract';
import { DEFAULT_NAMESPACE, DroverError, groupOf, versionOf } from '@drover/contract';
import type { YamlDocument } from '#yaml/read.ts';
import { KINDS, LATER_KINDS } from './kinds.ts';
import type { Configured, Kind } from './kinds.ts';
import { nearest } from './nearest.ts';
import { CLUSTERS_ANNOTATION } from './schema/flux-kustomization.ts';
import { showPath } from './validate.ts';
import type { Issue } from './validate.ts';

/** A document that configures something. */
export interface ReadDocument {
  readonly configured: Configured;
  readonly position: Position;
  /** Where a path of it is written. */
  readonly positionOf: YamlDocument['positionOf'];
}

/** A document with problems. It configures nothing. */
export interface RefusedDocument {
  readonly problems: readonly DroverError[];
  /** `kind/namespace/name` of everything it may stand for; undefined when that cannot be told. */
  readonly names: readonly string[] | undefined;
}

/** Reads one document of a configuration file. */
export function readDocument(file: string, document: YamlDocument): ReadDocument | RefusedDocument {
  const { value } = document;
  const header = headerOf(value);
  const kind = KINDS.find((known) => known.group === header.group && known.kind === header.kind && known.versions.includes(header.version));
  const subject = header.name === undefined ? file : `${header.kind ?? 'document'} ${header.namespace}/${header.name}`;
  if (kind === undefined) return { problems: [unknownKind(file, document, subject, header)], names: namesOf(header) };
  const read = kind.read(value, (path) => document.textOf(path));
  const position = { file, ...document.positionOf(['metadata', 'name']) };
  const annotations = annotationIssues(value, kind);
  if ('configured' in read && annotations.length === 0) {
    return { configured: read.configured, position, positionOf: (path) => document.positionOf(path) };
  }
  const issues = [...('issues' in read ? read.issues : []), ...annotations];
  return { problems: issues.map((issue) => problemOf(file, document, subject, issue)), names: namesOf(header) };
}

interface Header {
  readonly group: string;
  readonly version: string;
  readonly kind: string | undefined;
  readonly namespace: string;
  readonly name: string | undefined;
}

function headerOf(value: Json): Header {
  const root = asObject(value);
  const metadata = asObject(root['metadata']);
  const apiVersion = asText(root['apiVersion']) ?? '';
  return {
    group: groupOf(apiVersion),
    version: versionOf(apiVersion),
    kind: asText(root['kind']),
    namespace: asText(metadata['namespace']) ?? DEFAULT_NAMESPACE,
    name: asText(metadata['name']),
  };
}

const CONFIGURED_KINDS = [...new Set(KINDS.map(({ kind }) => kind))];

/** Of kustomization files, which never configure anything. */
const KUSTOMIZE = 'kustomize.config.k8s.io';

/** A misspelt kind may have been any of the known ones. */
function namesOf({ group, kind, namespace, name }: Header): readonly string[] | undefined {
  if (group === KUSTOMIZE) return [];
  if (name === undefined) return undefined;
  const kinds =
    kind !== undefined && CONFIGURED_KINDS.includes(kind)
      ? [kind]
      : kind !== undefined && LATER_KINDS.has(kind)
        ? [kind]
        : CONFIGURED_KINDS;
  return kinds.map((one) => `${one}/${namespace}/${name}`);
}

function unknownKind(file: string, document: YamlDocument, subject: string, header: Header): DroverError {
  const fail = (code: 'KIND_UNKNOWN' | 'FIELD_NOT_YET' | 'CONFIG_INVALID', what: string, key: string): DroverError =>
    new DroverError(code, subject, what, { position: { file, ...document.positionOf([key]) } });
  const { value } = document;
  if (typeof value !== 'object' || Array.isArray(value))
    return fail('CONFIG_INVALID', 'the document is no mapping with apiVersion, kind and metadata', '');
  const { kind, group, version } = header;
  if (kind === undefined) return fail('CONFIG_INVALID', 'kind is missing', 'kind');
  if (group === '' && version === '') return fail('CONFIG_INVALID', 'apiVersion is missing', 'apiVersion');
  if (group === KUSTOMIZE)
    return fail('KIND_UNKNOWN', 'configuration is not built by kustomize; write its documents as files', 'apiVersion');
  const same = KINDS.filter((known) => known.kind === kind);
  if (same.length > 0) {
    const versions = same.flatMap((known) => known.versions.map((one) => `${known.group}/${one}`));
    return fail(
      'KIND_UNKNOWN',
      `${kind} of ${group === '' ? version : `${group}/${version}`} is not known; write apiVersion: ${versions.join(' or ')}`,
      'apiVersion',
    );
  }
  if (LATER_KINDS.has(kind)) return fail('FIELD_NOT_YET', `kind ${kind} is not implemented yet`, 'kind');
  const meant = nearest(kind, CONFIGURED_KINDS);
  return fail(
    'KIND_UNKNOWN',
    `${kind} configures nothing; ${meant === undefined ? `known are ${CONFIGURED_KINDS.join(', ')}` : `did you mean ${meant}?`}`,
    'kind',
  );
}

/** Annotations that would change something and do not yet. */
function annotationIssues(value: Json, kind: Kind): readonly Issue[] {
  const annotations = asObject(asObject(asObject(value)['metadata'])['annotations']);
  const flux = kind.group === 'kustomize.toolkit.fluxcd.io';
  return Object.keys(annotations)
    .filter((key) => /^(?:drover\.dev|kustomize\.toolkit\.fluxcd\.io)\//.test(key) && !(flux && key === CLUSTERS_ANNOTATION))
    .map((key) => ({
      code: 'FIELD_NOT_YET',
      path: ['metadata', 'annotations', key],
      at: 'key',
      message: 'is not implemented yet; remove it',
    }));
}

/** A fault with its place; messages never repeat more of a document than names. */
export function problemOf(
  file: string,
  document: Pick<YamlDocument, 'positionOf' | 'keyPositionOf'>,
  subject: string,
  issue: Issue,
): DroverError {
  const place = issue.at === 'key' ? document.keyPositionOf(issue.path) : document.positionOf(issue.path);
  const field = showPath(issue.path);
  const what =
    field === ''
      ? `the document ${issue.message}`
      : issue.message.startsWith(':')
        ? `${field}${issue.message}`
        : `${field} ${issue.message}`;
  return new DroverError(issue.code, subject, what, { position: { file, ...place } });
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function asText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
