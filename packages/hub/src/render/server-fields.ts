import type { Json, JsonObject } from '@drover/contract';
import { isList, isObject, without } from './json.ts';

/** Set by API servers and controllers: in a source they are left over from an export, and mean nothing. */
const METADATA = [
  'managedFields',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'generation',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
];

export interface Stripped {
  readonly value: JsonObject;
  readonly metadata: JsonObject;
  /** Fields taken out that said something, as `metadata.uid`; tools write `creationTimestamp: null` and `status: {}` everywhere. */
  readonly fields: readonly string[];
}

/** Takes out what only a server sets. */
export function stripServerFields(value: JsonObject, metadata: JsonObject): Stripped {
  const fields = METADATA.filter((field) => saysSomething(metadata[field])).map((field) => `metadata.${field}`);
  if (saysSomething(value['status'])) fields.push('status');
  return { value: without(value, ['status']), metadata: without(metadata, METADATA), fields };
}

function saysSomething(value: Json | undefined): boolean {
  if (value === undefined || value === null) return false;
  if (isList(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : true;
}
