/**
 * Every failure Drover names, in one registry.
 *
 * A `code` is what users look up, a `kind` is what the scheduler reads, a `hint` says what to do next:
 * `terminal` waits for new input, `wait` for another object, `transient` is retried with back-off,
 * `superseded` stops at once because something newer has arrived.
 */
export type Kind = 'terminal' | 'wait' | 'transient' | 'superseded';

interface Failure {
  readonly kind: Kind;
  readonly hint: string;
}

export const FAILURES = {
  // configuration
  CONFIG_INVALID: { kind: 'terminal', hint: 'correct the named field; `drover explain delivery.spec` prints the schema' },
  FIELD_UNKNOWN: { kind: 'terminal', hint: 'remove or correct the field; nothing is ignored silently' },
  FIELD_NOT_YET: { kind: 'terminal', hint: 'this release does not implement the field; remove it' },
  KIND_UNKNOWN: { kind: 'terminal', hint: 'use a kind of drover.dev/v1alpha1, or a Flux GitRepository or Kustomization' },
  CONFIG_VANISHED: {
    kind: 'terminal',
    hint: 'push the directory back; to remove what it configures, remove the documents, not the directory',
  },
  CONFIG_DUPLICATE: { kind: 'terminal', hint: 'two documents configure the same name; keep one of them' },
  CONFIG_REFERENCE: { kind: 'terminal', hint: 'the named object is not configured; add it or correct the reference' },
  DEPENDENCY_CYCLE: { kind: 'terminal', hint: 'remove one dependsOn of the cycle' },
  // sources
  GIT_URL_REFUSED: { kind: 'terminal', hint: 'use https:// (or http:// with insecure: true) without credentials in the URL' },
  GIT_REF_REFUSED: { kind: 'terminal', hint: 'use a plain branch, tag or commit name' },
  GIT_REF_MISSING: { kind: 'transient', hint: 'the ref does not exist on the remote; fix ref in the source, or push it' },
  GIT_UNREACHABLE: { kind: 'transient', hint: 'check the URL and the network; the last good revision stays in force' },
  GIT_AUTH: { kind: 'transient', hint: 'check the credentials in secretRef; the last good revision stays in force' },
  GIT_CORRUPT: { kind: 'transient', hint: 'the remote sent incomplete or damaged objects; the last good revision stays in force' },
  GIT_TIMEOUT: { kind: 'transient', hint: 'raise spec.timeout or make the remote faster; the last good revision stays in force' },
  GIT_HISTORY_UNRELATED: { kind: 'terminal', hint: 'the branch was replaced by unrelated history; push the old history back' },
  GIT_FORCE_PUSH_HELD: {
    kind: 'terminal',
    hint: 'the branch was rewritten and forcePush is Hold; push the old history back, or set Follow',
  },
  GIT_TREE_REFUSED: { kind: 'terminal', hint: 'rename or remove the named path' },
  GIT_TOO_LARGE: {
    kind: 'transient',
    hint: 'the repository is larger than the hub takes; make it smaller; the last good revision stays in force',
  },
  GIT_FAILED: { kind: 'transient', hint: 'see the message of git; the last good revision stays in force' },
  SECRET_MISSING: { kind: 'transient', hint: 'create the secret below --secrets DIR/<namespace>/<name>/<key>' },
  // render
  RENDER_NOTHING_FOUND: { kind: 'terminal', hint: 'correct spec.path, or push the directory' },
  RENDER_EMPTY: { kind: 'terminal', hint: 'an empty result is an error; set allowEmpty: true if nothing is meant' },
  RENDER_RESOURCE_MISSING: { kind: 'terminal', hint: 'correct the path, or push the file' },
  RENDER_FIELD_REFUSED: { kind: 'terminal', hint: 'remove the field; remote bases, plugins, functions and charts are not run' },
  RENDER_PATH_REFUSED: { kind: 'terminal', hint: 'stay inside the repository: no absolute, remote or escaping path' },
  RENDER_KUSTOMIZE: { kind: 'terminal', hint: 'run `drover render <dir> --cluster <name>` to see the same error offline' },
  RENDER_ENGINE_FAILED: { kind: 'transient', hint: 'the renderer crashed or ran out of time or memory; the last good content stays' },
  RENDER_LIMIT: { kind: 'terminal', hint: 'stay below the named limit' },
  YAML_INVALID: { kind: 'terminal', hint: 'correct the YAML at the named line' },
  OBJECT_INVALID: { kind: 'terminal', hint: 'correct the object' },
  OBJECT_DUPLICATE: { kind: 'terminal', hint: 'keep one of the two' },
  OBJECT_TOO_LARGE: { kind: 'terminal', hint: 'split the object' },
  FIELD_STRIPPED: { kind: 'terminal', hint: 'remove the named fields from the source' },
  SCOPE_UNKNOWN: {
    kind: 'wait',
    hint: 'write metadata.namespace where the kind has namespaces; else it is told once the cluster serves the kind',
  },
  REPLICAS_AUTOSCALED: { kind: 'terminal', hint: 'remove spec.replicas from the workload' },
  PATCH_UNUSED: { kind: 'terminal', hint: 'correct the target of the patch, or remove the patch' },
  SUBSTITUTE_EMPTY: { kind: 'terminal', hint: 'define the variable, give it a default, or set substituteStrategy: Strict' },
  OBJECT_OWNED_ELSEWHERE: { kind: 'wait', hint: 'remove the object from one of the two Deliveries' },
  FLUX_KIND_IN_OUTPUT: { kind: 'terminal', hint: 'move Flux objects into the configuration directory, or leave them out of the path' },
  SUBSTITUTE_MISSING: { kind: 'terminal', hint: 'define the variable, or give it a default: ${name:=value}' },
  SUBSTITUTE_INVALID: { kind: 'terminal', hint: 'correct the expression, or escape it as $${name}' },
  CLUSTER_VALUE_MISSING: { kind: 'terminal', hint: 'set the label or variable on the Cluster, or use another path' },
  CLUSTER_VALUE_REFUSED: { kind: 'terminal', hint: 'only letters, digits, dot, dash and underscore may enter a path' },
  // release, compose, publish
  DEPENDENCY_NOT_SELECTED: { kind: 'terminal', hint: 'let both Deliveries select the cluster, or remove dependsOn' },
  BUNDLE_TOO_LARGE: { kind: 'terminal', hint: 'a bundle manifest may have 512 KiB; split the cluster over fewer units' },
  DELETES_OVER_BUDGET: { kind: 'terminal', hint: 'revert the removal in Git; nothing is deleted until then' },
  PUBLISH_LOST_RACE: { kind: 'transient', hint: 'another hub publishes this fleet; stop one of them' },
  HUB_BEHIND: { kind: 'terminal', hint: 'the store is older than what was published; restore a newer one' },
  NATS_UNREACHABLE: { kind: 'transient', hint: 'check the NATS URL and the network' },
  NATS_FULL: { kind: 'transient', hint: 'give JetStream more space; publishing goes on by itself afterwards' },
  STORE_NEWER: { kind: 'terminal', hint: 'the data directory was written by a newer hub; start that version' },
  STORE_FAILED: { kind: 'transient', hint: 'check the data directory: space, permissions' },
  STORE_LOCKED: { kind: 'terminal', hint: 'another hub runs on this data directory; stop it first' },
  // identity and enrolment
  TOKEN_INVALID: { kind: 'terminal', hint: 'make a new one with `drover token create`' },
  JOIN_REFUSED: { kind: 'terminal', hint: 'see the message; a name or UID can join once' },
  CLUSTER_UNKNOWN: { kind: 'terminal', hint: 'the hub has no such cluster; `drover get clusters` lists them' },
  CLUSTER_PENDING: { kind: 'wait', hint: 'accept it with `drover cluster accept <name>`' },
  CLUSTER_CLONED: { kind: 'terminal', hint: 'two agents present one identity; stop one of them' },
  RATE_LIMITED: { kind: 'transient', hint: 'try again later' },
  HUB_UNREACHABLE: { kind: 'transient', hint: 'check the hub address and the network; the last verified bundle stays in force' },
  HUB_UNTRUSTED: { kind: 'terminal', hint: 'the token is of another hub, or somebody stands between: check --hub, make a new token' },
  LISTEN_FAILED: { kind: 'terminal', hint: 'choose another port or address, or stop what has it' },
  MESSAGE_REFUSED: { kind: 'terminal', hint: 'agent and hub speak different versions; update the older one' },
  IDENTITY_EXPIRED: { kind: 'terminal', hint: 'join again: make a token with `drover token create --cluster <name>`' },
  // pull
  HEAD_REJECTED: { kind: 'transient', hint: 'the last verified bundle stays in force; look for who publishes wrong heads' },
  HEAD_CONFLICT: { kind: 'terminal', hint: 'two contents for one generation were seen: two hubs, or a restored store' },
  FORMAT_UNKNOWN: { kind: 'terminal', hint: 'update the agent; it keeps what it has until then' },
  BLOB_REJECTED: { kind: 'transient', hint: 'the blob is fetched again; the hub publishes it anew' },
  BLOB_MISSING: { kind: 'transient', hint: 'the hub publishes it again' },
  UNIT_UNACCOUNTED: { kind: 'wait', hint: 'the bundle neither lists nor leaves the unit: it is kept as it is' },
  // apply, prune, observe
  KUBE_UNREACHABLE: { kind: 'transient', hint: 'check that the API server is reachable from the agent' },
  KUBE_BUSY: { kind: 'transient', hint: 'the API server asks to slow down; the agent tries again' },
  KUBE_FORBIDDEN: { kind: 'transient', hint: 'grant the agent the named verb on the named resource' },
  KUBE_REJECTED: { kind: 'terminal', hint: 'correct the object as the API server says' },
  KUBE_FIELD_UNKNOWN: { kind: 'terminal', hint: 'correct the misspelt field' },
  KUBE_IMMUTABLE: { kind: 'terminal', hint: 'the field cannot be changed; delete the object by hand, or revert the change' },
  KUBE_KIND_UNKNOWN: { kind: 'transient', hint: 'install the CRD; the object is tried again when it is served' },
  KUBE_ADMISSION_DENIED: { kind: 'transient', hint: 'an admission webhook or policy refused the request, as quoted' },
  KUBE_CONFLICT: { kind: 'transient', hint: 'the object changed meanwhile; it is judged again' },
  KUBE_TERMINATING: { kind: 'wait', hint: 'waits until the object or namespace is gone; look at its finalizers' },
  KUBE_OUTCOME_UNKNOWN: { kind: 'transient', hint: 'the reply was lost; the object is read again before anything else is done' },
  KUBE_NAMESPACE_MISSING: { kind: 'transient', hint: 'create the namespace, or add it to the Delivery' },
  KUBE_WATCH_FAILED: { kind: 'transient', hint: 'the watch is opened again' },
  KUBE_WATCH_EXPIRED: { kind: 'transient', hint: 'the kind is listed again' },
  CRD_NOT_ESTABLISHED: { kind: 'transient', hint: 'see the conditions of the CRD' },
  OWNED_BY: { kind: 'terminal', hint: 'another tool manages the object; remove it there first' },
  FIELD_NOT_KEPT: { kind: 'terminal', hint: 'the API server did not keep a field that was sent; see its admission' },
  GUARD_REFUSED: { kind: 'terminal', hint: 'the agent does not touch its own namespace and rights' },
  INVENTORY_DAMAGED: { kind: 'wait', hint: 'deletions stop until the inventory is whole again; objects with our mark are adopted anew' },
  LEASE_LOST: { kind: 'superseded', hint: 'another agent holds the Lease drover-agent' },
  KEY_MISSING: { kind: 'terminal', hint: 'join the cluster again, or restore Secret drover-identity' },
  CACHE_NOT_DURABLE: { kind: 'wait', hint: 'give the agent a volume for --cache-dir' },
  HEALTH_TIMEOUT: { kind: 'transient', hint: 'see why the named objects are not ready' },
  // everywhere
  USAGE: { kind: 'terminal', hint: 'see --help' },
  NOT_FOUND: { kind: 'terminal', hint: 'check the name; `drover get` lists what there is' },
  UNAUTHORIZED: { kind: 'terminal', hint: 'pass an API token: --token, DROVER_TOKEN' },
  FORBIDDEN: { kind: 'terminal', hint: 'use a token with the role that is named; an admin makes it with `drover token create`' },
  REQUEST_INVALID: { kind: 'terminal', hint: 'correct the request; /openapi.json describes what is accepted' },
  CONFLICT: { kind: 'terminal', hint: 'see the message; the request does not fit what is there now' },
  NOT_READY: { kind: 'wait', hint: 'the hub is starting, or waits for what is named; try again' },
  UNEXPECTED: { kind: 'transient', hint: 'a bug in Drover: please report it with this message' },
} as const satisfies Record<string, Failure>;

export type Code = keyof typeof FAILURES;

/** Where in a source a failure lies; `line` and `column` count from 1. */
export interface Position {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** A failure as plain data: what crosses the wire, is stored and is shown. */
export interface Problem {
  readonly code: Code;
  /** What it is about: an object, cluster, unit, file or redacted repository. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
  readonly position?: Position;
}

/** The one error class; its message is `[CODE] subject: what failed`. */
export class DroverError extends Error {
  readonly code: Code;
  readonly kind: Kind;
  readonly hint: string;
  readonly subject: string;
  readonly what: string;
  readonly position: Position | undefined;

  constructor(code: Code, subject: string, what: string, options: { readonly cause?: unknown; readonly position?: Position } = {}) {
    super(`[${code}] ${subject}: ${what}`, { cause: options.cause });
    this.name = 'DroverError';
    this.code = code;
    this.subject = subject;
    this.what = what;
    this.position = options.position;
    ({ kind: this.kind, hint: this.hint } = FAILURES[code]);
  }

  /** Turns anything thrown into a `DroverError`; what is not one already is `UNEXPECTED`. */
  static from(thrown: unknown, subject: string): DroverError {
    if (thrown instanceof DroverError) return thrown;
    return new DroverError('UNEXPECTED', subject, Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
  }

  /** The failure as plain data; the cause is left out. */
  toProblem(): Problem {
    return {
      code: this.code,
      subject: this.subject,
      message: this.what,
      hint: this.hint,
      ...(this.position === undefined ? {} : { position: this.position }),
    };
  }
}
