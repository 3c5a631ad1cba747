import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { widthOf } from './format/clean.ts';
import { colorful, openRunner } from './testdata/run.ts';

const lines = (text: string): string[] => text.split('\n');

test('status shows the fleet on one screen: counts, what needs a person, and names that do not meet', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('status');
  assert.equal(code, 0);
  assert.deepEqual(lines(out), [
    'fleet   5 clusters: 4 online, 1 offline                                           hub 0.1.0, up 12 d',
    'source  fleet  main@sha1:9c1d04e  "web 1.3: new checkout" (alice)        fetched 8 s ago, webhook ok',
    '',
    'DELIVERY  CLUSTERS  READY  WAITING  NOT-READY  FAILED  UNKNOWN  DRIFT  RELEASE',
    'platform         5      4        0          0       0        1      0  platform-8',
    'shop             5      1        1          1       1        1      1  shop-14 rolls out 1/5',
    '',
    'NEEDS YOU (4)                                                                          SINCE',
    '  failed     shop     prod-us  shop/prod-us/kustomization.yaml:4:3: ../../bse does     22:40  1m',
    '                               not exist at this commit; did you mean "../../base"?',
    '             > drover explain shop@prod-us',
    '  not ready  shop     prod-eu  Deployment shop/web: 1 of 3 pods unavailable:           22:37  4m',
    '                               CrashLoopBackOff, exit 1, 6 restarts',
    '             > drover explain shop@prod-eu',
    '  held       shop     lab-3    14 deletions, 10 allowed                                21:58  43m',
    '             > drover explain shop@lab-3',
    '  offline    edge-17  2 units  enforces platform-8, shop-13 alone                      Tue 16:41  3d',
    '',
    'UNMATCHED clusters/prod-ap2/ has no cluster; cluster lab-9 has no directory clusters/lab-9/',
    '',
  ]);
});

test('explain tells why a unit is not ready, what changed, how far it came, and what to do', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('explain', 'shop@prod-eu');
  assert.equal(code, 0);
  assert.deepEqual(lines(out), [
    'shop@prod-eu  NotReady for 4m, since 22:37:12                         agent online, reported 3 s ago',
    '',
    'WHY      Deployment shop/web: 1 of 3 pods unavailable: CrashLoopBackOff, exit 1, 6 restarts',
    'CHANGED  shop-13 -> shop-14  main@sha1:9c1d04e  "web 1.3: new checkout"  alice, 22:36:12',
    '         Deployment shop/web                                                 apps/shop/base/web.yaml',
    'source   ok       main@sha1:9c1d04e                                                         22:41:04',
    'render   ok       3 objects, digest s2',
    'apply    ok       1 changed, 13 unchanged, 0 deleted',
    'health   FAILING  13 of 14 ready                                                            22:37:12',
    'drift    DRIFTED  ConfigMap shop/web: /data/tier changed by kubectl-edit                    22:11:12',
    '                  last undone 19:41: Deployment shop/web: /spec/replicas changed by kubectl',
    'NEXT     git revert 9c1d04e                      back to what shop-13 was',
    '         drover wait shop@prod-eu                until it is Ready',
    '         drover get events --unit shop@prod-eu   its history',
    '',
  ]);
});

test('why draws a render that failed like a compiler: file, lines, whom it hits, what stays, what to try', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('why', 'shop@prod-us');
  assert.equal(code, 0);
  assert.deepEqual(lines(out).slice(0, 12), [
    'shop@prod-us  Failed for 1m, since 22:40:12                           agent online, reported 3 s ago',
    '',
    'error[RENDER_RESOURCE_MISSING]: ../../bse does not exist at this commit; did you mean "../../base"?',
    '  --> shop/prod-us/kustomization.yaml:4:3         main@sha1:9c1d04e  "web 1.3: new checkout" (alice)',
    '   2 | kind: Kustomization',
    '   3 | resources:',
    '   4 | - ../../bse',
    '     |   ^^^^^^^^^ correct the path, or push the file',
    '  hit   1 of 5 clusters: prod-us; canary-eu, edge-17, lab-3 and prod-eu render.',
    '  kept  shop-13 (main@sha1:77ab10c). Nothing was applied and nothing deleted in prod-us.',
    '  try   drover render shop/prod-us --cluster prod-us                        same code, no hub needed',
    '',
  ]);
});

test('get units is a line a unit', async () => {
  await using drover = await openRunner();
  const { out } = await drover.run('get', 'units', '--delivery', 'shop');
  assert.deepEqual(lines(out), [
    'UNIT            STATE     AGE  RELEASE             OBJECTS  MESSAGE',
    'shop@canary-eu  Ready      3m  shop-14               14/14',
    'shop@edge-17    Unknown    3d  shop-13 -> shop-14      3/3  no report from the agent for 5 minutes',
    'shop@lab-3      Waiting   43m  shop-13 -> shop-14      3/3  14 deletions, 10 allowed',
    'shop@prod-eu    NotReady   4m  shop-14               13/14  drift in 1; Deployment shop/web: 1 of 3…',
    'shop@prod-us    Failed     1m  shop-13                 3/3  shop/prod-us/kustomization.yaml:4:3: ..…',
    '',
  ]);
});

test('get events is the log, oldest first, its messages in full', async () => {
  await using drover = await openRunner();
  const { out } = await drover.run('get', 'events', '--limit', '2');
  assert.deepEqual(lines(out), [
    'TIME      REASON          ABOUT         MESSAGE',
    '22:41:12  UnitFailed      shop@prod-us  [RENDER_RESOURCE_MISSING] ../../bse does not exist at this',
    '                                        commit; did you mean "../../base"?',
    '22:41:12  DriftCorrected  shop@prod-eu  Deployment shop/web: /spec/replicas changed by kubectl',
    '',
  ]);
});

const tables = ['clusters', 'sources', 'deliveries', 'releases', 'rollouts', 'units', 'events'];
for (const noun of tables) {
  test(`get ${noun} fits 100 columns, and each format says the same`, async () => {
    await using drover = await openRunner();
    const { code, out } = await drover.run('get', noun);
    assert.equal(code, 0);
    for (const line of lines(out)) assert.ok(widthOf(line) <= 100, line);
    const json = JSON.parse((await drover.run('get', noun, '-o', 'json')).out) as { items: unknown[]; total: number };
    assert.equal(json.items.length, json.total);
    const names = (await drover.run('get', noun, '-o', 'name')).out.trim().split('\n');
    assert.equal(names.length, json.total);
    assert.match((await drover.run('get', noun, '-o', 'yaml')).out, /^items:\n- /);
    const wide = await drover.run('get', noun, '-o', 'wide');
    assert.ok((lines(wide.out)[0] ?? '').length >= (lines(out)[0] ?? '').length);
  });
}

for (const command of [
  ['status'],
  ['explain', 'shop@prod-eu'],
  ['explain', 'shop@prod-us'],
  ['explain', 'shop@edge-17'],
  ['explain', 'shop@lab-3'],
]) {
  test(`${command.join(' ')} fits 80 and 100 columns, and color changes nothing but color`, async () => {
    await using drover = await openRunner();
    for (const columns of [80, 100]) {
      const plain = await drover.runWith({ columns }, ...command);
      for (const line of lines(plain.out)) assert.ok(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
      const colored = await drover.runWith({ columns, paint: colorful }, ...command);
      assert.notEqual(colored.out, plain.out);
      const bare = lines(stripVTControlCharacters(colored.out)).map((line) => line.trimEnd());
      assert.deepEqual(bare, lines(plain.out));
    }
  });
}

test('what others wrote cannot steer the terminal', async () => {
  await using drover = await openRunner();
  const subject = 'evil\u001b[2J\u001b]0;owned\u0007\nfake line \u202edrow';
  const commit = JSON.stringify({ sha: 'a'.repeat(40), subject, author: 'mallory\u009b31m', time: 1 });
  await drover.fixture.store.db.updateTable('source').set({ commit }).execute();
  await drover.fixture.store.db.updateTable('release').set({ commit }).execute();
  await drover.fixture.store.db.updateTable('event').set({ message: subject }).execute();
  for (const command of [
    ['status'],
    ['explain', 'shop@prod-eu'],
    ['explain', 'shop@prod-us'],
    ['get', 'sources'],
    ['get', 'events'],
    ['get', 'releases'],
  ]) {
    const { out } = await drover.run(...command);
    for (const char of ['\u001b', '\u0007', '\u009b', '\u202e']) assert.ok(!out.includes(char), command.join(' '));
    assert.match(out, /evil/);
  }
});

const usages: readonly (readonly string[])[] = [
  ['frobnicate'],
  ['get'],
  ['get', 'frobs'],
  ['get', 'units', '-o', 'xml'],
  ['get', 'units', '--limit', '0'],
  ['get', 'units', '--frob'],
  ['get', 'events', 'a-name'],
  ['explain', 'no such thing'],
  ['explain', 'delivery.spec.nothing'],
  ['suspend'],
  ['suspend', 'a', 'b', 'c'],
  ['suspend', 'shop@'],
  ['suspend', 'shop@prod-eu', '--timeout', 'soon'],
  ['suspend', 'shop@prod-eu', '--timeout', '5m'],
  ['wait', '--for', 'Fine'],
  ['wait', 'source', 'fleet'],
  ['token', 'create', '--role', 'admin'],
  ['token', 'create', '--name', 'ci', '--cluster', 'x'],
  ['token', 'create', '--label', 'novalue'],
  [],
];
for (const argv of usages) {
  test(`drover ${argv.join(' ')} is wrong usage: exit 2`, async () => {
    await using drover = await openRunner();
    const { code, err } = await drover.run(...argv);
    assert.equal(code, 2);
    if (argv.length > 0) assert.notEqual(err, '');
    assert.deepEqual(drover.fixture.asked.calls, []);
  });
}

const failures: readonly (readonly [argv: readonly string[], err: RegExp])[] = [
  [['explain', 'shop@nowhere'], /^\[NOT_FOUND\] shop@nowhere: there is no such unit\n {2}check the name/],
  [['enforce', 'nowhere'], /^\[CLUSTER_UNKNOWN\] cluster nowhere: there is no such cluster/],
  [['get', 'delivery', 'nothing'], /^\[NOT_FOUND\] Delivery drover\/nothing/],
  [['status', '--token', 'nonsense'], /^\[UNAUTHORIZED\] request: the token is not one in force\n {2}pass an API token/],
  [['status', '--hub', 'http://127.0.0.1:1234x'], /^\[HUB_UNREACHABLE\] http:\/\/127\.0\.0\.1:1234x: /],
  [['cluster', 'reject', 'prod-eu'], /^\[CONFLICT\] cluster prod-eu: it was accepted/],
];
for (const [argv, want] of failures) {
  test(`drover ${argv.join(' ')} fails by name, with a hint: exit 1`, async () => {
    await using drover = await openRunner();
    const { code, err, out } = await drover.run(...argv);
    assert.equal(code, 1);
    assert.match(err, want);
    assert.equal(out, '');
  });
}

test('a value that the hub refuses is wrong usage too: exit 2', async () => {
  await using drover = await openRunner();
  const { code, err } = await drover.run('get', 'units', '--state', 'Fine');
  assert.equal(code, 2);
  assert.match(err, /^\[REQUEST_INVALID\] state: "Fine" is none of Failed, /);
});

test('a hub that does not listen is named', async () => {
  await using drover = await openRunner();
  const { url } = drover;
  await drover[Symbol.asyncDispose]();
  const { code, err } = await drover.run('status');
  assert.equal(code, 1);
  assert.equal(
    err,
    `[HUB_UNREACHABLE] ${url}: nothing listens there\n  check the hub address and the network; the last verified bundle stays in force\n`,
  );
});

test('what answers and is no hub is told', async () => {
  await using drover = await openRunner();
  const { code, err } = await drover.run('status', '--hub', `${drover.url}/livez?`);
  assert.equal(code, 1);
  assert.match(err, /^\[(HUB_UNREACHABLE|UNEXPECTED)\]/);
});

test('every command shows examples with --help: exit 0', async () => {
  await using drover = await openRunner();
  for (const argv of [
    [],
    ['status'],
    ['get'],
    ['explain'],
    ['why'],
    ['render'],
    ['build'],
    ['reconcile'],
    ['suspend'],
    ['resume'],
    ['enforce'],
    ['cluster', 'accept'],
    ['cluster', 'reject'],
    ['wait'],
    ['token', 'create'],
    ['token', 'list'],
    ['token', 'revoke'],
    ['version'],
  ]) {
    const { code, out } = await drover.run(...argv, '--help');
    assert.equal(code, 0, argv.join(' '));
    assert.match(out, /\nExamples:\n {2}drover /, argv.join(' '));
    for (const line of lines(out)) assert.ok(line.length <= 100, line);
  }
});

test('hub and agent get their command lines as they are', async () => {
  await using drover = await openRunner();
  assert.equal((await drover.run('hub', '--source', 'x', '--help')).code, 3);
  assert.equal((await drover.run('agent', '--hub', 'x')).code, 12);
});

test('suspend waits for the agents, and says whom it waits for: exit 3', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('suspend', 'shop@prod-eu', '--for', '2h', '-m', 'INC-812', '--timeout', '200ms');
  assert.equal(code, 3);
  assert.deepEqual(lines(out), [
    'shop@prod-eu is suspended',
    '',
    'WAITS FOR     WHY',
    'shop@prod-eu  the agent has not confirmed it yet',
    '',
  ]);
  const explained = await drover.run('explain', 'shop@prod-eu');
  assert.match(explained.out, /suspended by local, this unit until Sat 00:41: INC-812\n/);
  assert.match(explained.out, /NEXT {5}drover resume shop@prod-eu {2,}lifts the suspension\n/);
  assert.equal((await drover.run('resume', 'shop@prod-eu', '--no-wait')).code, 0);
  assert.equal((await drover.run('resume', 'shop@prod-eu')).out, 'shop@prod-eu was not suspended\n');
});

const targets: readonly (readonly [argv: readonly string[], call: RegExp])[] = [
  [['source', 'fleet'], /^fetch drover\/fleet$/],
  [['source/fleet'], /^fetch drover\/fleet$/],
  [['cluster', 'prod-eu'], /^verify 22222222-.* all$/],
  [['platform@prod-eu'], /^verify 22222222-.* drover\/platform$/],
  [['unit', 'platform@prod-eu'], /^verify 22222222-.* drover\/platform$/],
];
for (const [argv, call] of targets) {
  test(`reconcile ${argv.join(' ')} asks for just that`, async () => {
    await using drover = await openRunner();
    const { code, err } = await drover.run('reconcile', ...argv);
    assert.equal(code, 0, err);
    assert.equal(drover.fixture.asked.calls.length, 1);
    assert.match(drover.fixture.asked.calls[0] ?? '', call);
  });
}

test('reconcile of a Delivery shows the units that are not Ready: exit 3 while some wait', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('reconcile', 'shop', '--timeout', '200ms');
  assert.equal(code, 3);
  assert.match(out, /^Delivery shop is being reconciled\n\nUNIT /);
  assert.match(out, /\nshop@prod-us +Failed /);
  assert.doesNotMatch(out, /canary/);
});

test('reconcile of a unit that failed: exit 1', async () => {
  await using drover = await openRunner();
  assert.equal((await drover.run('reconcile', 'shop@prod-us')).code, 1);
});

test('wait ends with 0 when all are Ready, and with 3 and their names when the time is up', async () => {
  await using drover = await openRunner();
  const ready = await drover.run('wait', 'platform@prod-eu', '--revision', '9c1d04e');
  assert.deepEqual(ready, { code: 0, out: '1 unit Ready after 0 s\n', err: '' });
  const late = await drover.run('wait', 'shop', '--timeout', '2s');
  assert.equal(late.code, 3);
  assert.equal(late.err, '4 of 5 units not Ready after 2 s\n');
  assert.match(late.out, /\nshop@lab-3 +Waiting /);
  const other = await drover.run('wait', 'platform', '-l', 'env=prod', '--revision', '0000000', '--timeout', '1s');
  assert.equal(other.code, 3);
  const none = await drover.run('wait', 'nothing', '--timeout', '1s');
  assert.deepEqual([none.code, none.err], [3, 'there is no such unit after 1 s\n']);
});

test('token create prints the ready command line, expiry and labels', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run(
    'token',
    'create',
    '--cluster',
    'lab-9',
    '--label',
    'env=lab',
    '-l',
    'region=eu',
    '--enforce',
    '--ttl',
    '2h',
  );
  assert.equal(code, 0);
  const [command, ...rest] = lines(out);
  assert.match(command ?? '', new RegExp(`^drover agent --hub ${drover.url} --token drover_[0-9a-f]{12}_[0-9a-f]{40}_c{64}$`));
  const id = command?.split('_')[1];
  assert.deepEqual(rest, [
    '',
    'joins    cluster lab-9, once',
    'labels   env=lab region=eu',
    'mode     Enforce from the start',
    'expires  Sat 00:41, in 2h',
    `revoke   drover token revoke ${id}`,
    '',
  ]);
  const listed = await drover.run('token', 'list');
  assert.match(listed.out, new RegExp(`\n${id} +join +Active +lab-9 +enforce +0/1 `));
  assert.equal((await drover.run('token', 'revoke', id ?? '')).code, 0);
  assert.match((await drover.run('token', 'list')).out, / Revoked /);
});

test('token create makes API tokens, too, and -o name prints nothing but the token', async () => {
  await using drover = await openRunner();
  const { out } = await drover.run('token', 'create', '--role', 'operator', '--name', 'ci', '-o', 'name');
  assert.match(out, /^drover_api_[0-9a-f]{12}_[0-9a-f]{40}\n$/);
  assert.equal((await drover.run('get', 'units', '--token', out.trim())).code, 0);
  assert.equal((await drover.run('token', 'list', '--token', out.trim())).code, 1);
});

test('an empty list says so, and where it looked', async () => {
  await using drover = await openRunner();
  assert.equal((await drover.run('get', 'units', '-n', 'team-a')).out, 'No units in namespace team-a; -A looks in all.\n');
  assert.equal((await drover.run('get', 'clusters', '-l', 'env=nowhere')).out, 'No clusters.\n');
  assert.equal((await drover.run('get', 'units', '-n', 'team-a', '-o', 'json')).out, '{\n  "items": [],\n  "total": 0\n}\n');
});

test('some are shown by name, one as itself', async () => {
  await using drover = await openRunner();
  const two = JSON.parse((await drover.run('get', 'clusters', 'prod-eu', 'prod-us', '-o', 'json')).out) as { items: { name: string }[] };
  assert.deepEqual(
    two.items.map((row) => row.name),
    ['prod-eu', 'prod-us'],
  );
  const one = JSON.parse((await drover.run('get', 'unit', 'shop@prod-eu', '-o', 'json')).out) as { unit: string; inventory: unknown[] };
  assert.deepEqual([one.unit, one.inventory.length], ['shop@prod-eu', 3]);
  assert.match((await drover.run('get', 'release', 'shop-14')).out, /\nshop-14 /);
});

test('watch shows a text again when it changed, and not before', async () => {
  await using drover = await openRunner();
  const stop = new AbortController();
  let rounds = 0;
  const sleep = async (): Promise<void> => {
    rounds++;
    if (rounds === 3) await drover.fixture.store.db.updateTable('unit').set({ problem: null, state: 'Ready', message: '' }).execute();
    if (rounds === 6) stop.abort();
  };
  const { code, out } = await drover.runWith({ sleep, signal: stop.signal }, 'get', 'units', '--state', 'Failed', '--watch');
  assert.equal(code, 0);
  assert.equal(out.match(/shop@prod-us/g)?.length, 1);
  assert.match(out, /\n\nNo units in namespace drover; -A looks in all\.\n$/);
});

test('watch says when the hub is away, and goes on when it is back', async () => {
  await using drover = await openRunner();
  const stop = new AbortController();
  let rounds = 0;
  const sleep = async (): Promise<void> => {
    rounds++;
    if (rounds === 2) await drover[Symbol.asyncDispose]();
    if (rounds === 4) stop.abort();
  };
  const { code, out } = await drover.runWith({ sleep, signal: stop.signal }, 'status', '--watch');
  assert.equal(code, 0);
  assert.match(out, /\[HUB_UNREACHABLE\] .*: nothing listens there\n$/);
});

test('get events --watch goes on with what is new', async () => {
  await using drover = await openRunner();
  const { store } = drover.fixture;
  const stop = new AbortController();
  let seen = '';
  const out = (text: string): void => {
    seen += text;
    if (seen.includes('second')) stop.abort();
  };
  const write = (message: string): Promise<void> => store.write((tx) => store.event(tx, { severity: 'Info', reason: 'Test', message }));
  const running = drover.runWith({ out, signal: stop.signal }, 'get', 'events', '--watch');
  while (!seen.includes('kubectl')) await new Promise((next) => setTimeout(next, 5));
  await write('first');
  await write('second');
  assert.equal((await running).code, 0);
  assert.match(seen, /22:41:12 {2}Test {16}- {21}first\n/);
  assert.equal(seen.match(/first/g)?.length, 1);
});

test('version tells this program and the hub; of the client alone it needs no hub', async () => {
  await using drover = await openRunner();
  assert.match((await drover.run('version')).out, /^client {2}\d+\.\d+\.\d+\nhub {5}0\.1\.0\nfleet {3}99999999-/);
  assert.match((await drover.run('version', '--client', '--hub', 'http://nowhere.invalid')).out, /^client {2}\d+\.\d+\.\d+\n$/);
});

test('explain of a field prints the schema’s text, without a hub', async () => {
  await using drover = await openRunner();
  const { code, out } = await drover.run('explain', 'delivery.spec.untargeted', '--hub', 'http://nowhere.invalid');
  assert.equal(code, 0);
  assert.match(out, /^delivery\.spec\.untargeted {2}Hold or Leave\ndefault {2}"Hold"\n\n/);
  for (const line of lines((await drover.run('explain', 'delivery.spec')).out)) assert.ok(line.length <= 100, line);
});
