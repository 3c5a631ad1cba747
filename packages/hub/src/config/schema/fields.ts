/**
 * Building blocks of the schemas. A schema is JSON Schema, with words of ours:
 *
 * - `x-kind` names what a text holds (a duration, a name, …); text-kinds.ts says what that demands;
 * - `x-not-yet` marks what this release does not do; the values in `x-holds` are accepted, as they say what would hold
 *   without the field; `x-not-yet-values` lists single values of a choice;
 * - `default` is what holds when the field is absent or null.
 */
import Type from 'typebox';
import type { TOptional, TSchema } from 'typebox';

export const NOT_YET = 'x-not-yet';
export const HOLDS = 'x-holds';
export const NOT_YET_VALUES = 'x-not-yet-values';
export const TEXT_KIND = 'x-kind';
/** A path may start with a slash, which means the source's root. */
export const LEADING_SLASH = 'x-leading-slash';

export type TextKind =
  | 'duration'
  | 'name'
  | 'namespace'
  | 'label-key'
  | 'label-value'
  | 'variable'
  | 'cluster-variable'
  | 'path'
  | 'directory';

/** A field that has no effect in this release; each of `holds` says what would hold without it. */
export function notYet(description: string, holds: readonly unknown[] = []): TOptional<TSchema> {
  return Type.Optional(Type.Unsafe<unknown>({ description: `${description} Not implemented yet.`, [NOT_YET]: true, [HOLDS]: holds }));
}

const kindOf = (kind: TextKind, description: string, extra: object = {}) => Type.String({ description, [TEXT_KIND]: kind, ...extra });

export const name = (description: string) => kindOf('name', description);
export const namespace = (description: string) => kindOf('namespace', description);
export const path = (description: string, extra: object = {}) => kindOf('path', description, extra);
export const directory = (description: string) => kindOf('directory', description);
export const text = (description: string, extra: object = {}) => Type.String({ description, ...extra });
export const flag = (description: string, byDefault: boolean) => Type.Optional(Type.Boolean({ description, default: byDefault }));
/** A Go duration: `90s`, `1h30m`. */
export const duration = (description: string, extra: object = {}) => kindOf('duration', description, extra);

export function choice<const Values extends readonly string[]>(values: Values, description: string, byDefault?: Values[number]) {
  return Type.Optional(
    Type.Unsafe<Values[number]>({
      type: 'string',
      enum: [...values],
      description,
      ...(byDefault === undefined ? {} : { default: byDefault }),
    }),
  );
}

export function record(description: string, keys?: TextKind, values?: TextKind) {
  return Type.Unsafe<Record<string, string>>({
    type: 'object',
    description,
    additionalProperties: { type: 'string', ...(values === undefined ? {} : { [TEXT_KIND]: values }) },
    ...(keys === undefined ? {} : { propertyNames: { type: 'string', [TEXT_KIND]: keys } }),
  });
}

export const object = <Properties extends Record<string, TSchema>>(properties: Properties, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });

export const list = <Item extends TSchema>(items: Item, description: string) =>
  Type.Optional(Type.Array(items, { description, default: [] }));

export const secretRef = (description: string) => Type.Optional(object({ name: name('Name of the secret.') }, description));

export const labelSelector = (description: string) =>
  object(
    {
      matchLabels: Type.Optional(record('Labels that must have these values.', 'label-key', 'label-value')),
      matchExpressions: list(
        object(
          {
            key: kindOf('label-key', 'Key of a label.'),
            operator: Type.Unsafe<'In' | 'NotIn' | 'Exists' | 'DoesNotExist'>({
              type: 'string',
              enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
              description: 'How the value is compared.',
            }),
            values: list(kindOf('label-value', 'A value.'), 'Values of In and NotIn.'),
          },
          'One requirement.',
        ),
        'Requirements that must hold besides.',
      ),
    },
    description,
  );

/** What every kind says of itself; labels and annotations are data. */
export const metadata = (extra: { readonly annotations?: string } = {}) =>
  object(
    {
      name: name('Name of the object.'),
      namespace: Type.Optional(namespace('Namespace; `drover` when absent.')),
      labels: Type.Optional(record('Labels.', 'label-key', 'label-value')),
      annotations: Type.Optional(record(extra.annotations ?? 'Annotations; none of `drover.dev/` is read here.')),
      creationTimestamp: notYet('Written by API servers.', [null]),
    },
    'Name, namespace, labels and annotations.',
  );

/** Shared by Delivery and the Kustomization of Flux: what is rendered. */
export const rendering = {
  dependsOn: list(
    object(
      {
        name: name('Name of a Delivery.'),
        namespace: Type.Optional(namespace('Its namespace; the same as here when absent.')),
        readyExpr: notYet('CEL expression for readiness.', ['']),
      },
      'A Delivery.',
    ),
    'Deliveries whose unit of the same cluster must be Ready before, at the same revision of a shared source.',
  ),
  healthChecks: list(
    object(
      {
        apiVersion: Type.Optional(text('API version; may be left out for kinds of Kubernetes itself.')),
        kind: text('Kind.'),
        name: text('Name.'),
        namespace: Type.Optional(namespace('Namespace; targetNamespace or `default` when absent.')),
      },
      'An object.',
    ),
    'Objects whose health counts even with `wait: false`.',
  ),
  healthCheckExprs: notYet('Health of custom kinds in CEL: current, inProgress, failed.', [[]]),
  patches: list(
    object(
      {
        patch: text('A strategic merge or JSON 6902 patch.'),
        target: Type.Optional(
          object(
            {
              group: Type.Optional(text('Group, as a regular expression.')),
              version: Type.Optional(text('Version, as a regular expression.')),
              kind: Type.Optional(text('Kind, as a regular expression.')),
              name: Type.Optional(text('Name, as a regular expression.')),
              namespace: Type.Optional(text('Namespace, as a regular expression.')),
              labelSelector: Type.Optional(text('Labels of the objects, as kubectl writes them.')),
              annotationSelector: Type.Optional(text('Annotations of the objects.')),
            },
            'Which objects are patched; without it the patch names its object.',
          ),
        ),
      },
      'A patch.',
    ),
    'Patches, merged into the kustomization before the build. One that matches nothing is warned about.',
  ),
  images: list(
    object(
      {
        name: text('Image without tag, as the manifests write it.'),
        newName: Type.Optional(text('Name that replaces it.')),
        newTag: Type.Optional(text('Tag that replaces its tag.')),
        digest: Type.Optional(text('Digest that replaces its tag.')),
      },
      'An image.',
    ),
    'Image names, tags and digests that are replaced.',
  ),
  components: list(directory('Directory of a kustomize component, relative to `path`.'), 'Kustomize components that are added.'),
  namePrefix: Type.Optional(text('Put before the name of every object.', { default: '' })),
  nameSuffix: Type.Optional(text('Put after the name of every object.', { default: '' })),
  targetNamespace: Type.Optional(namespace('Namespace that every namespaced object gets.')),
  commonMetadata: Type.Optional(
    object(
      {
        labels: Type.Optional(record('Labels of every object.', 'label-key', 'label-value')),
        annotations: Type.Optional(record('Annotations of every object.', 'label-key')),
      },
      'Labels and annotations that every object gets.',
    ),
  ),
  serviceAccountName: notYet('Account of the target cluster that is impersonated.', ['']),
};

const substituteFrom = notYet('ConfigMaps and Secrets of the cluster that hold variables.', [[]]);
const substitute = Type.Optional(record('Variables of the manifests; a value may hold `${cluster.*}`.', 'variable'));

export const postBuild = Type.Optional(
  object(
    {
      substitute,
      substituteFrom,
      substituteStrategy: choice(
        ['Strict', 'Loose'],
        'Strict: a variable without value and default is an error. Loose: it is empty.',
        'Strict',
      ),
    },
    'Substitution of variables, `${name}`; manifests are substituted only when it is present, be it empty.',
  ),
);
