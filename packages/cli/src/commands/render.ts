import { parseJson, parseKey, showRef } from '@drover/contract';
import type { ProblemRow, SnippetRow } from '@drover/hub/api';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { clean } from '../format/clean.ts';
import { toYaml } from '../format/yaml.ts';
import type { Format } from '../output.ts';
import { viewOptions } from '../output.ts';
import { readPairs } from '../targets.ts';
import { drawProblem } from '../views/problem.ts';
import type { Run } from './common.ts';
import { examples } from './common.ts';

interface RenderFlags {
  readonly cluster: string;
  readonly label: readonly string[];
  readonly var: readonly string[];
  readonly root?: string;
  readonly kustomize?: string;
  readonly output: Format;
}

const repeated = (value: string, all: string[]): string[] => [...all, value];

export function addRender(program: Command, context: Context, run: Run): void {
  const command = program
    .command('render <dir>')
    .alias('build')
    .description('what a directory is rendered to for a cluster, by the hub’s own code; no hub needed')
    .requiredOption('--cluster <name>', 'the cluster it is for')
    .option('-l, --label <key=value>', 'label of the cluster, may be repeated', repeated, [])
    .option('--var <key=value>', 'variable of the cluster, may be repeated', repeated, [])
    .option('--root <dir>', 'what paths may not leave; the repository around the directory by default')
    .option('--kustomize <file>', 'the program kustomize 5.8 (DROVER_KUSTOMIZE)')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['yaml', 'json', 'name']).default('yaml'))
    .action((directory: string, flags: RenderFlags) => run(render(context, directory, flags)));
  examples(command, [
    'drover render clusters/prod-eu --cluster prod-eu',
    'drover render clusters/prod-eu --cluster prod-eu -o name',
    'drover build apps/shop --cluster lab-3 --label env=lab --var domain=lab.example.com',
  ]);
}

async function render(context: Context, directory: string, flags: RenderFlags): Promise<ExitCode> {
  const { renderOffline } = await import('@drover/hub/render');
  const kustomize = flags.kustomize ?? context.env['DROVER_KUSTOMIZE'];
  const { result, sourceOf } = await renderOffline(
    {
      directory,
      cwd: context.cwd,
      env: context.env,
      ...(flags.root === undefined ? {} : { root: flags.root }),
      ...(kustomize === undefined ? {} : { kustomize }),
      cluster: { name: flags.cluster, labels: readPairs(flags.label, '--label'), vars: readPairs(flags.var, '--var') },
    },
    context.signal,
  );
  const options = viewOptions(context, flags.output);
  const draw = (problem: ProblemRow, snippet: SnippetRow | null): string =>
    `${drawProblem({ problem, snippet, revision: '' }, options).join('\n')}\n`;
  if (result.type === 'absent') {
    context.err(`[RENDER_NOTHING_FOUND] nothing found at ${clean(result.path)}\n`);
    return 1;
  }
  if (result.type === 'failed') {
    context.err(draw(result.problem, (await sourceOf(result.problem)) ?? null));
    return 1;
  }
  for (const warning of result.warnings) context.err(`warning[${warning.code}]: ${clean(warning.message)}\n`);
  context.out(show(result.objects, flags.output));
  return 0;
}

function show(objects: readonly { readonly key: string; readonly json: string }[], format: Format): string {
  if (format === 'name') return objects.map((object) => `${showRef(parseKey(object.key))}\n`).join('');
  // The objects' own text: integers keep their digits.
  if (format === 'json') return `{"apiVersion":"v1","kind":"List","items":[${objects.map((object) => object.json).join(',\n')}]}\n`;
  return objects.map((object) => `---\n${toYaml(parseJson(object.json))}`).join('');
}
