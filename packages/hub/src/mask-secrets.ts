import { canonicalJson, parseJson } from '@drover/contract';

const MASK = '(masked)';

/** An object as it may be shown: the values of a Secret are masked, its keys stay. */
export function maskSecrets(json: string): string {
  const object = parseJson(json) as Readonly<Record<string, unknown>>;
  if (object['kind'] !== 'Secret' || object['apiVersion'] !== 'v1') return json;
  const masked = (values: unknown): unknown =>
    typeof values === 'object' && values !== null ? Object.fromEntries(Object.keys(values).map((key) => [key, MASK])) : values;
  const { data, stringData, ...rest } = object;
  return canonicalJson({
    ...rest,
    ...(data === undefined ? {} : { data: masked(data) }),
    ...(stringData === undefined ? {} : { stringData: masked(stringData) }),
  });
}
