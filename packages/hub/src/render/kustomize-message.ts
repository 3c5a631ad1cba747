const MAX_CHARACTERS = 600;

/**
 * What kustomize printed, as one sentence without content: it quotes whole objects, patches, generator settings and
 * addresses in memory, and tells one failure once for each directory around it.
 *
 * @param secrets texts that may not be shown, longest first
 */
export function plainMessage(printed: string, secrets: readonly string[]): string {
  let message = printed
    .split('\n')
    .filter((line) => !line.startsWith('# Warning'))
    .join('\n')
    .replace(/^Error: /, '');
  message = innermost(message);
  message = message.replace(/`([^`]*)(?:`|$)/g, (whole, inside: string) => (/^[\w.-]{1,63}$/.test(inside) ? whole : '…'));
  for (const [pattern, by] of CONTENT) message = message.replace(pattern, by);
  for (const secret of secrets) message = message.replaceAll(secret, '…');
  message = message.replace(/\s+/g, ' ').trim();
  return message.length > MAX_CHARACTERS ? `${message.slice(0, MAX_CHARACTERS)}…` : message;
}

/** kustomize tries each resource as a file and then as a directory, and tells both failures. */
function innermost(message: string): string {
  let inner = message.replace(/accumulation err='accumulating resources from '[^']*': read [^']*: is a directory': /g, '');
  const asDirectory = inner.lastIndexOf("': must build at directory:");
  if (asDirectory >= 0) inner = inner.slice(0, asDirectory).replace(/^[\s\S]*accumulation err='/, '');
  return inner.replace(/^(?:accumulating resources: |recursed (?:accumulation of|merging from) path '[^']*': )+/, '');
}

const CONTENT: readonly (readonly [RegExp, string])[] = [
  // identities in the writing of its library
  [/resid\.ResId\{Gvk:resid\.Gvk\{[^}]*Kind:"([^"]*)"[^}]*\}, Name:"([^"]*)", Namespace:"([^"]*)"\}/g, '$1 $2'],
  [/([A-Z]\w*)\.(?:\[noVer\]|v\w+)\.(?:\[noGrp\]|[\w.-]+)\/([\w.-]+)\.\[noNs\]/g, '$1 $2'],
  [/([A-Z]\w*)\.(?:\[noVer\]|v\w+)\.(?:\[noGrp\]|[\w.-]+)\/([\w.-]+)\.([\w-]+)/g, '$1 $3/$2'],
  // content
  [/&\{[^}]*\}/g, '…'],
  [/map\[[\s\S]*\}/g, '…'],
  [/\{\{[\s\S]*\}\}/g, '…'],
  [/\[[^\]]*[=\n:{][^\]]*\]/g, '[…]'],
  [/literal source [\s\S]*?, expected/g, 'literal source …, expected'],
];
