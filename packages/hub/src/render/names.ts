/** What Kubernetes allows in names, labels and annotations. Each function returns what is wrong, or undefined. */

const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

/** @param group API group of the object */
export function nameFault(group: string, kind: string, name: string): string | undefined {
  if (name.length > MAX_SUBDOMAIN) return `the name has ${name.length} characters, at most ${MAX_SUBDOMAIN} are allowed`;
  if (group === 'rbac.authorization.k8s.io' || group.endsWith('.openshift.io')) {
    // these allow what fits into one segment of a URL, as `system:node`
    return name === '.' || name === '..' || /[/%]/.test(name) ? `the name ${quote(name)} may not be . or .., nor hold / or %` : undefined;
  }
  if (group === '' && (kind === 'Namespace' || kind === 'Service')) return labelFault('name', name);
  return DNS_SUBDOMAIN.test(name)
    ? undefined
    : `the name ${quote(name)} may hold lower-case letters, digits, - and ., and begins and ends with a letter or digit`;
}

export function namespaceFault(namespace: string): string | undefined {
  return labelFault('namespace', namespace);
}

function labelFault(what: string, text: string): string | undefined {
  if (text.length > MAX_LABEL) return `the ${what} has ${text.length} characters, at most ${MAX_LABEL} are allowed`;
  return DNS_LABEL.test(text)
    ? undefined
    : `the ${what} ${quote(text)} may hold lower-case letters, digits and -, and begins and ends with a letter or digit`;
}

function keyFault(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > MAX_SUBDOMAIN || !DNS_SUBDOMAIN.test(prefix)))
    return 'its prefix must be a DNS name of at most 253 characters';
  if (name.length > MAX_LABEL) return `its name has ${name.length} characters, at most ${MAX_LABEL} are allowed`;
  return QUALIFIED.test(name) ? undefined : 'its name may hold letters, digits, -, _ and ., and begins and ends with a letter or digit';
}

/** @param labels as written; a value that is no string is named with how to write it */
export function labelsFault(labels: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, value] of Object.entries(labels)) {
    const fault = keyFault(key);
    if (fault !== undefined) return `label ${quote(key)}: ${fault}`;
    if (typeof value !== 'string') return notText('label', key, value);
    if (value.length > MAX_LABEL) return `label ${quote(key)}: the value has ${value.length} characters, at most ${MAX_LABEL} are allowed`;
    if (value !== '' && !QUALIFIED.test(value)) {
      return `label ${quote(key)}: the value may hold letters, digits, -, _ and ., and begins and ends with a letter or digit`;
    }
  }
  return undefined;
}

export function annotationsFault(annotations: Readonly<Record<string, unknown>>): string | undefined {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    const fault = keyFault(key.toLowerCase());
    if (fault !== undefined) return `annotation ${quote(key)}: ${fault}`;
    if (typeof value !== 'string') return notText('annotation', key, value);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes > MAX_ANNOTATIONS_BYTES ? `the annotations have ${bytes} bytes, at most ${MAX_ANNOTATIONS_BYTES} are allowed` : undefined;
}

function notText(what: string, key: string, value: unknown): string {
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
      return `${what} ${quote(key)} must be text, and is the ${typeof value === 'boolean' ? 'boolean' : 'number'} ${value}; write "${value}"`;
    default:
      return `${what} ${quote(key)} must be text, and is ${value === null ? 'null' : Array.isArray(value) ? 'a list' : 'a mapping'}`;
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
