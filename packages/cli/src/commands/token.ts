import type { List, MadeTokenRow, TokenRow } from '@drover/hub/api';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context, ExitCode } from '../context.ts';
import { showList, showOne, viewOptions } from '../output.ts';
import { readPairs, usage } from '../targets.ts';
import { tokenColumns } from '../views/columns.ts';
import { tokenView } from '../views/effect.ts';
import type { HubFlags, Run } from './common.ts';
import { connect, examples, withHub } from './common.ts';

interface CreateFlags extends HubFlags {
  readonly cluster?: string;
  readonly label: readonly string[];
  readonly enforce?: boolean;
  readonly maxUses?: string;
  readonly ttl?: string;
  readonly role?: string;
  readonly name?: string;
}

export function addToken(program: Command, context: Context, run: Run): void {
  const token = program.command('token').description('tokens: to join a cluster, or to call the API');

  const create = withHub(token.command('create'))
    .description('make a token; it is shown this once')
    .option('--cluster <name>', 'the cluster that joins with it, once; without it the hub asks to accept who joins')
    .option('-l, --label <key=value>', 'label of the cluster, may be repeated', (value: string, all: string[]) => [...all, value], [])
    .option('--enforce', 'the cluster is enforced from the start, not observed')
    .option('--max-uses <n>', 'how many clusters may join with it')
    .option('--ttl <duration>', 'how long it holds (24h to join)')
    .addOption(new Option('--role <role>', 'an API token, with this role').choices(['viewer', 'operator', 'admin']))
    .option('--name <name>', 'whose API token it is')
    .action((flags: CreateFlags) => run(createToken(context, flags)));
  examples(create, [
    'drover token create --cluster prod-eu --label env=prod --label region=eu',
    'drover token create --cluster lab-3 --enforce --ttl 1h',
    'drover token create --max-uses 50 --label env=edge',
    'drover token create --role operator --name ci --ttl 90d',
  ]);

  const list = withHub(token.command('list'))
    .description('tokens, newest first; never their text')
    .action((flags: HubFlags) => run(listTokens(context, flags)));
  examples(list, ['drover token list', 'drover token list -o json']);

  const revoke = withHub(token.command('revoke <id>'))
    .description('make a token worthless')
    .action((id: string, flags: HubFlags) => run(revokeToken(context, id, flags)));
  examples(revoke, ['drover token revoke 3f9a0c11d2e4']);
}

async function createToken(context: Context, flags: CreateFlags): Promise<ExitCode> {
  const api = flags.role !== undefined || flags.name !== undefined;
  if (api && flags.name === undefined) throw usage('--role needs --name: whose API token it is');
  if (api && (flags.cluster !== undefined || flags.enforce !== undefined || flags.maxUses !== undefined || flags.label.length > 0))
    throw usage('an API token (--role, --name) has neither --cluster, --label, --enforce nor --max-uses');
  if (flags.maxUses !== undefined && !/^[1-9]\d{0,5}$/.test(flags.maxUses)) throw usage(`--max-uses ${flags.maxUses} is no number above 0`);
  const labels = readPairs(flags.label, '--label');
  const ttl = flags.ttl === undefined ? {} : { ttl: flags.ttl };
  const body = api
    ? { kind: 'api', name: flags.name, role: flags.role ?? 'viewer', ...ttl }
    : {
        kind: 'join',
        ...ttl,
        ...(flags.cluster === undefined ? {} : { cluster: flags.cluster }),
        ...(flags.label.length === 0 ? {} : { labels }),
        ...(flags.enforce === undefined ? {} : { enforce: flags.enforce }),
        ...(flags.maxUses === undefined ? {} : { maxUses: Number(flags.maxUses) }),
      };
  const client = connect(context, flags);
  const { value } = await client.post<MadeTokenRow>('/v1/tokens', body, context.signal);
  const asked = {
    cluster: flags.cluster,
    labels,
    enforce: flags.enforce === true,
    maxUses: Number(flags.maxUses ?? 1),
    name: flags.name,
    role: api ? (flags.role ?? 'viewer') : undefined,
  };
  context.out(
    showOne(value, flags.output, { name: (made) => made.token, text: (made) => tokenView(made, asked, client.url, context.now()) }),
  );
  return 0;
}

async function listTokens(context: Context, flags: HubFlags): Promise<ExitCode> {
  const list = await connect(context, flags).get<List<TokenRow>>('/v1/tokens', context.signal);
  const how = { columns: tokenColumns(context.now()), name: (row: TokenRow) => row.id, empty: 'No tokens.' };
  context.out(showList({ items: list.items, total: list.total }, flags.output, how, viewOptions(context, flags.output)));
  return 0;
}

async function revokeToken(context: Context, id: string, flags: HubFlags): Promise<ExitCode> {
  await connect(context, flags).delete(`/v1/tokens/${encodeURIComponent(id)}`, context.signal);
  context.out(`token ${id} is revoked\n`);
  return 0;
}
