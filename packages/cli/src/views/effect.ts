import type { EffectView, MadeTokenRow } from '@drover/hub/api';
import { clean } from '../format/clean.ts';
import { age, clockTime } from '../format/time.ts';
import { table } from '../format/table.ts';
import type { ViewOptions } from './status.ts';

/** What a command did, and what it still waits for. */
export function effectView(effect: EffectView, options: ViewOptions): string {
  const lines = [clean(effect.message)];
  for (const row of effect.suspensions)
    lines.push(`  still suspended by ${clean(row.by)}: ${clean(row.target)}${row.message === '' ? '' : `: ${clean(row.message)}`}`);
  if (effect.waitingFor.length > 0) {
    const columns = [
      { title: 'WAITS FOR', cell: (row: { subject: string }) => row.subject },
      { title: 'WHY', cell: (row: { message: string }) => row.message, flexible: true },
    ];
    lines.push('', table(columns, effect.waitingFor, options));
  }
  return `${lines.join('\n')}\n`;
}

/** What a token was asked to be. */
export interface AskedToken {
  readonly cluster: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly enforce: boolean;
  readonly maxUses: number;
  readonly name: string | undefined;
  readonly role: string | undefined;
}

/** The ready command line, then what it does, until when. The token is shown this once. */
export function tokenView(made: MadeTokenRow, asked: AskedToken, hub: string, now: number): string {
  const until =
    made.expiresAt === null
      ? 'never'
      : `${clockTime(Date.parse(made.expiresAt), now, false)}, in ${age(Date.parse(made.expiresAt) - now + 30_000)}`;
  if (made.kind === 'api')
    return [
      `export DROVER_HUB=${hub} DROVER_TOKEN=${made.token}`,
      '',
      `name     ${asked.name ?? ''}`,
      `role     ${asked.role ?? ''}`,
      `expires  ${until}`,
      `revoke   drover token revoke ${made.id}`,
      '',
    ].join('\n');
  const whom =
    asked.cluster === undefined
      ? `${asked.maxUses === 1 ? 'one cluster' : `${asked.maxUses} clusters`}, to be accepted: drover cluster accept <name>`
      : `cluster ${asked.cluster}, once`;
  const labels = Object.entries(asked.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
  const mode = asked.enforce ? 'Enforce from the start' : `Observe, until: drover enforce ${asked.cluster ?? '<name>'}`;
  return [
    `drover agent --hub ${hub} --token ${made.token}`,
    '',
    `joins    ${whom}`,
    `labels   ${labels === '' ? 'none' : labels}`,
    `mode     ${mode}`,
    `expires  ${until}`,
    `revoke   drover token revoke ${made.id}`,
    '',
  ].join('\n');
}
