import { printable } from './git-objects.ts';

/**
 * Takes out of a program's error text whatever could be a credential: the given secrets (as they are, in base64 and
 * percent-encoded), user information in URLs, and Authorization headers.
 */
export function redact(text: string, secrets: readonly string[]): string {
  let shown = text;
  const forms = secrets
    .filter((secret) => secret.length > 0)
    .flatMap((secret) => [secret, encodeURIComponent(secret), ...base64Forms(secret)]);
  // The longest first: a short one may lie inside a long one.
  for (const form of [...new Set(forms)].sort((a, b) => b.length - a.length)) shown = shown.replaceAll(form, '***');
  return shown
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]+@/gi, '$1***@')
    .replaceAll(/(authorization:\s*)(?:(?:basic|bearer)\s+)?\S+/gi, '$1***')
    .replaceAll(/\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{6,}/gi, '$1 ***');
}

/** Base64 of a secret as it shows inside a longer text, at each of the three alignments; only what its bytes alone decide. */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const forms: string[] = [];
  for (let lead = 0; lead < 3; lead += 1) {
    const text = Buffer.concat([Buffer.alloc(lead), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const from = Math.ceil((lead * 8) / 6);
    const to = Math.floor(((lead + bytes.length) * 8) / 6);
    const form = text.slice(from, to);
    if (form.length >= 6) forms.push(form);
  }
  return forms;
}

const MAX_MESSAGE = 400;

/**
 * What git's standard error has to say, in one line that fits into a status: its errors first, without progress,
 * hints, or control characters.
 */
export function gitSaid(stderr: string, secrets: readonly string[]): string {
  const lines = redact(stderr, secrets)
    .split(/[\r\n]+/)
    .map((line) => printable(line))
    .filter((line) => line !== '' && !line.startsWith('hint:'));
  const errors = ['fatal: ', 'error: ', 'remote: '].flatMap((prefix) => lines.filter((line) => line.startsWith(prefix)));
  const text = [...new Set(errors.length > 0 ? errors : lines)].join('; ');
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}
