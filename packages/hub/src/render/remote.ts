/**
 * Tells whether kustomize would fetch a reference from elsewhere, before it looks for a file of that name.
 *
 * @see https://github.com/kubernetes-sigs/kustomize/blob/api/v0.21.1/api/internal/git/repospec.go
 */
export function isRemote(reference: string): boolean {
  return REMOTE.some((pattern) => pattern.test(reference));
}

const REMOTE = [
  // any scheme, those that kustomize does not know too
  /^[A-Za-z][A-Za-z0-9+.-]*:\/\//,
  /^git::/i,
  // user@host:path, user@host/path
  /^[A-Za-z][A-Za-z0-9-]*@/,
  /^github\.com[/:]/i,
];
