/**
 * Every field of a Kustomization and Component of kustomize 5.8 (kustomize.config.k8s.io/v1beta1 and v1alpha1), by what
 * it may make the program read. What is not listed is refused by name.
 *
 * @see https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
 */
export type FieldClass =
  /** Carries no path. */
  | 'plain'
  /** Strings, each a file or a directory with a kustomization file. */
  | 'resources'
  /** Strings, each a directory with a kustomization file. */
  | 'directories'
  /** Strings, each a file. */
  | 'files'
  /** Objects of which `path` is a file. */
  | 'patches'
  /** Strings, each a file or a patch written out. */
  | 'patchesOrFiles'
  /** Objects with `files`, `envs` and `env`. */
  | 'generators'
  | 'openapi'
  | { readonly refused: string };

const CHARTS = 'charts are not rendered; commit the output of `helm template` and list it in resources';
const PLUGINS = 'plugins and functions are not run';

export const KUSTOMIZATION_FIELDS: Readonly<Record<string, FieldClass>> = {
  apiVersion: 'plain',
  kind: 'plain',
  metadata: 'plain',
  namePrefix: 'plain',
  nameSuffix: 'plain',
  namespace: 'plain',
  commonLabels: 'plain',
  labels: 'plain',
  commonAnnotations: 'plain',
  images: 'plain',
  imageTags: 'plain',
  replicas: 'plain',
  vars: 'plain',
  sortOptions: 'plain',
  generatorOptions: 'plain',
  buildMetadata: 'plain',
  resources: 'resources',
  bases: 'directories',
  components: 'directories',
  crds: 'files',
  configurations: 'files',
  patches: 'patches',
  patchesJson6902: 'patches',
  patchesStrategicMerge: 'patchesOrFiles',
  replacements: 'patches',
  configMapGenerator: 'generators',
  secretGenerator: 'generators',
  openapi: 'openapi',
  helmCharts: { refused: CHARTS },
  helmGlobals: { refused: CHARTS },
  helmChartInflationGenerator: { refused: CHARTS },
  generators: { refused: `${PLUGINS}; use configMapGenerator or secretGenerator` },
  transformers: { refused: `${PLUGINS}; use patches, labels, images, replicas or replacements` },
  validators: { refused: `${PLUGINS}; validate before the push` },
};

/** Keys of the objects in fields that carry paths. Go reads keys in any capitalisation, so others are refused. */
export const ITEM_KEYS: Readonly<Record<'patches' | 'replacements' | 'generators' | 'openapi', readonly string[]>> = {
  patches: ['path', 'patch', 'target', 'options'],
  replacements: ['path', 'source', 'targets', 'sourceValue'],
  generators: ['namespace', 'name', 'behavior', 'literals', 'files', 'envs', 'env', 'options', 'type'],
  openapi: ['path', 'version'],
};

/** In the order in which kustomize looks for them; a directory may hold one of them. */
export const KUSTOMIZATION_NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;
