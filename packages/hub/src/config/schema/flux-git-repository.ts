import Type from 'typebox';
import type { Static } from 'typebox';
import { duration, flag, metadata, notYet, object, secretRef, text } from './fields.ts';

/**
 * Flux's GitRepository with Flux's defaults; fields of all served versions.
 *
 * @see https://fluxcd.io/flux/components/source/gitrepositories/
 */
export const FluxGitRepositorySpec = object(
  {
    url: text('`https://host/path` or `http://host/path`.'),
    interval: duration('Time between two looks at the remote.'),
    timeout: Type.Optional(duration('For one fetch.', { default: '60s' })),
    ref: Type.Optional(
      object(
        {
          branch: Type.Optional(text('A branch.')),
          tag: Type.Optional(text('A tag.')),
          commit: Type.Optional(text('A commit; with `branch`, one of that branch.')),
          semver: notYet('The highest tag of a range.', ['']),
          name: notYet('A full ref name.', ['']),
        },
        'What is followed; `master` when absent.',
      ),
    ),
    secretRef: secretRef('Secret with username and password, or bearerToken, and ca.crt.'),
    ignore: Type.Optional(text('Paths left out, in the syntax of gitignore.')),
    suspend: flag('Not fetched.', false),
    provider: notYet('How the remote authenticates.', ['generic']),
    verify: notYet('Verification of signatures.'),
    proxySecretRef: notYet('A proxy.'),
    recurseSubmodules: notYet('Submodules.', [false]),
    include: notYet('Other repositories put into this one.', [[]]),
    sparseCheckout: notYet('Directories that are fetched.', [[]]),
    serviceAccountName: notYet('Account that authenticates.', ['']),
    gitImplementation: notYet('Library that fetches.', ['go-git', 'libgit2']),
    accessFrom: notYet('Namespaces that may refer to it.'),
  },
  'A Git repository that manifests come from.',
);

export const FluxGitRepositoryKind = object(
  {
    apiVersion: Type.Unsafe<string>({
      type: 'string',
      enum: ['v1', 'v1beta2', 'v1beta1'].map((version) => `source.toolkit.fluxcd.io/${version}`),
    }),
    kind: Type.Literal('GitRepository'),
    metadata: metadata(),
    spec: FluxGitRepositorySpec,
    status: notYet('Kept by Flux.', [{}]),
  },
  "Flux's GitRepository.",
);

export type FluxGitRepositoryDocument = Static<typeof FluxGitRepositoryKind>;
