import Type from 'typebox';
import type { Static } from 'typebox';
import { choice, duration, flag, metadata, notYet, object, secretRef, text } from './fields.ts';

export const GitRepositorySpec = object(
  {
    url: text('`https://host/path`; `http://` only with `insecure: true`. Without credentials: these go into a secret.'),
    insecure: flag('Accept http.', false),
    ref: Type.Optional(
      object(
        {
          branch: Type.Optional(text('A branch.')),
          tag: Type.Optional(text('A tag.')),
          commit: Type.Optional(text('A commit of 40 hex digits; with `branch`, one of that branch.')),
          semver: notYet('The highest tag of a range.', ['']),
          name: notYet('A full ref name, as refs/pull/7/head.', ['']),
        },
        'What is followed.',
      ),
    ),
    interval: Type.Optional(duration('Time between two looks at the remote; a webhook shortens it.', { default: '1m' })),
    timeout: Type.Optional(duration('For one fetch.', { default: '60s' })),
    secretRef: secretRef('Secret with username and password, or bearerToken, and ca.crt.'),
    ignore: Type.Optional(text('Paths left out, in the syntax of gitignore, besides .droverignore and .sourceignore.')),
    forcePush: choice(['Follow', 'Hold'], 'Whether a rewritten branch is followed; unrelated history is always held.', 'Follow'),
    suspend: flag('Not fetched.', false),
  },
  'A Git repository that manifests come from.',
);

export const GitRepositoryKind = object(
  {
    apiVersion: Type.Literal('drover.dev/v1alpha1'),
    kind: Type.Literal('GitRepository'),
    metadata: metadata(),
    spec: GitRepositorySpec,
    status: notYet('Kept by the hub.', [{}]),
  },
  'A Git repository that manifests come from.',
);

export type GitRepositoryDocument = Static<typeof GitRepositoryKind>;
