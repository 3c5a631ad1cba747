/**
 * Plain data as YAML, as `-o yaml` prints it. Texts that could be read as anything else are quoted as JSON does, which
 * YAML reads alike.
 */
export function toYaml(value: unknown): string {
  return `${lines(value, 0).join('\n')}\n`;
}

const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./@()-]*(?: [A-Za-z0-9_./@()-]+)*$/;
const MEANS_SOMETHING = /^(?:true|false|yes|no|on|off|null|y|n|~)$/i;

function lines(value: unknown, indent: number): readonly string[] {
  const space = ' '.repeat(indent);
  if (Array.isArray(value)) {
    if (value.length === 0) return [`${space}[]`];
    return value.flatMap((item) => {
      const [first = '', ...rest] = lines(item, indent + 2);
      return [`${space}- ${first.slice(indent + 2)}`, ...rest];
    });
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return [`${space}{}`];
    return entries.flatMap(([key, item]) => {
      const name = scalar(key);
      if (isNested(item)) return [`${space}${name}:`, ...lines(item, Array.isArray(item) ? indent : indent + 2)];
      return [`${space}${name}: ${lines(item, 0).join('')}`];
    });
  }
  return [`${space}${scalar(value)}`];
}

function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'bigint' ? value.toString() : JSON.stringify(value ?? null);
  return PLAIN.test(value) && !MEANS_SOMETHING.test(value) ? value : JSON.stringify(value);
}
