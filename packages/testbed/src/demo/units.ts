/** A unit as the API shows it, as far as the demo's table reads it. */
export interface UnitRow {
  readonly unit: string;
  readonly cluster: string;
  readonly state: string;
  readonly revision: { readonly wanted: string | null; readonly applied: string | null };
  readonly objects: { readonly total: number; readonly ready: number };
  readonly message: string;
}

/** The live table, at most 100 columns wide. */
export function unitTable(rows: readonly UnitRow[], note: string): readonly string[] {
  const lines = [line('UNIT', 'STATE', 'OBJECTS', 'REVISION', 'MESSAGE')];
  for (const row of rows) {
    lines.push(
      line(
        row.unit,
        row.state,
        `${row.objects.ready}/${row.objects.total}`,
        short(row.revision.applied ?? row.revision.wanted),
        row.message,
      ),
    );
  }
  if (note !== '') lines.push(note);
  return lines;
}

const line = (unit: string, state: string, objects: string, revision: string, message: string): string =>
  `${unit.padEnd(18)} ${state.padEnd(12)} ${objects.padEnd(8)} ${revision.padEnd(22)} ${message}`.slice(0, 100).trimEnd();

function short(revision: string | null): string {
  return revision === null ? '-' : revision.replace(/(sha1:[0-9a-f]{10})[0-9a-f]+$/, '$1');
}
