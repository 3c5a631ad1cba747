import type { Configuration } from '../types.ts';
import { parseConfiguration } from '../parse.ts';

/** Reads one file, `drover/fleet.yaml`. */
export function read(text: string): Configuration {
  return parseConfiguration([{ path: 'drover/fleet.yaml', bytes: text }]);
}

/** Problems in one line each: `CODE line:column message`. */
export function problemsOf(configuration: Configuration): readonly string[] {
  return configuration.problems.map(({ code, message, position }) => `${code} ${position?.line}:${position?.column} ${message}`);
}

export const SOURCE = `apiVersion: drover.dev/v1alpha1
kind: GitRepository
metadata: { name: fleet }
spec: { url: https://git.example.com/fleet.git }
`;

/** A Delivery with more fields, each a line of its `spec`; they start at line 6 of their document. */
export function delivery(...fields: readonly string[]): string {
  return `${SOURCE}---
apiVersion: drover.dev/v1alpha1
kind: Delivery
metadata: { name: shop }
spec:
  sourceRef: { kind: GitRepository, name: fleet }
${fields.map((field) => `  ${field}\n`).join('')}`;
}

/** Line of the first of the fields of {@link delivery}. */
export const FIRST_FIELD = 11;
