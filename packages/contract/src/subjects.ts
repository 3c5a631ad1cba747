/** Names on NATS. `<uid>` is the UID of a cluster's kube-system namespace, `<name>` a blob's. */
export const HEADS_STREAM = 'DROVER_HEADS';
export const BLOBS_STREAM = 'DROVER_BLOBS';

const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Tells whether a text can be a cluster's UID; nothing else may become part of a subject. */
export function isUid(text: string): boolean {
  return UID.test(text);
}

export const headSubject = (uid: string): string => `drover.head.${uid}`;
export const newsSubject = (uid: string): string => `drover.news.${uid}`;
export const blobSubject = (name: string): string => `drover.blob.${name}`;
/** Each agent's own inbox prefix: who may listen to all of `_INBOX.>` reads every reply. */
export const inboxPrefix = (uid: string): string => `_INBOX_${uid}`;

/** The whole of what an agent's user may do; nothing else is allowed. */
export function agentPermissions(uid: string): { readonly publish: readonly string[]; readonly subscribe: readonly string[] } {
  return {
    publish: [`$JS.API.DIRECT.GET.${HEADS_STREAM}.${headSubject(uid)}`, `$JS.API.DIRECT.GET.${BLOBS_STREAM}.${blobSubject('>')}`],
    subscribe: [newsSubject(uid), `${inboxPrefix(uid)}.>`],
  };
}
