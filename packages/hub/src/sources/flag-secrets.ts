import { DEFAULT_NAMESPACE } from '@drover/contract';
import type { SourceSecrets } from './credentials.ts';

/** The secret of the source that flags name, where flags give its token; every other is asked for behind it. */
export function withFlagSecret(
  flag: { readonly name: string; readonly username: string | undefined; readonly token: () => Promise<string | undefined> },
  behind: SourceSecrets | undefined,
): SourceSecrets {
  return {
    async read(namespace, name) {
      const found = await behind?.read(namespace, name);
      if (namespace !== DEFAULT_NAMESPACE || name !== flag.name) return found;
      const token = await flag.token();
      if (token === undefined) return found;
      const secret = new Map(found);
      secret.set('password', Buffer.from(token));
      if (flag.username !== undefined) secret.set('username', Buffer.from(flag.username));
      return secret;
    },
  };
}
