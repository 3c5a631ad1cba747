import { DroverError } from '@drover/contract';
import type { Files } from '#ports';
import type { SourceSecrets } from './credentials.ts';

const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const KEYS = ['username', 'password', 'bearerToken', 'ca.crt', 'webhook'];

/** Secrets below `--secrets`: `<directory>/<namespace>/<name>/<key>`. They are read anew each time: tokens are renewed. */
export function createSecretFiles(deps: { readonly files: Pick<Files, 'read'>; readonly directory: string }): SourceSecrets {
  return {
    async read(namespace, name) {
      for (const part of [namespace, name]) {
        if (!NAME.test(part) || part.includes('..'))
          throw new DroverError('SECRET_MISSING', `secret ${namespace}/${name}`, 'it has no valid name');
      }
      const found = new Map<string, Uint8Array>();
      for (const key of KEYS) {
        const bytes = await deps.files.read(`${deps.directory}/${namespace}/${name}/${key}`);
        if (bytes !== undefined) found.set(key, bytes);
      }
      return found.size === 0 ? undefined : found;
    },
  };
}
