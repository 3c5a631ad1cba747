/**
 * Tells whether Go's YAML writer puts a string of one line between keys without quotes. Flux substitutes in the text it
 * writes, so a plain scalar is read anew afterwards (`replicas: ${n}` becomes a number) and a quoted one stays text.
 *
 * @see https://github.com/yaml/go-yaml/blob/v2.4.2/emitterc.go yaml_emitter_analyze_scalar
 */
export function isWrittenPlain(text: string): boolean {
  if (text === '' || text.startsWith(' ') || text.endsWith(' ') || text.startsWith('---') || text.startsWith('...')) return false;
  if (!PRINTABLE.test(text)) return false;
  if (INDICATORS.has(text[0] ?? '')) return false;
  if ('-?:'.includes(text[0] ?? '') && (text.length === 1 || text[1] === ' ')) return false;
  return !text.includes(': ') && !text.endsWith(':') && !text.includes(' #');
}

const INDICATORS = new Set('#,[]{}&*!|>\'"%@`');
/** One line, and no tab: Go's writer counts a tab among what needs quotes. */
const PRINTABLE = /^[\u0020-\u007e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]*$/u;
