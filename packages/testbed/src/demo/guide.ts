/** A line to type, and what it prints; `...` stands for anything. */
interface Step {
  readonly type: string;
  readonly expect?: readonly string[];
}

/** One thing to try, with how to undo it. The README's tour has these very lines, and a test types them. */
interface Thing {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly undo: readonly Step[];
}

const REPO = 'git -C "$DROVER_REPO"';
const push = (message: string): Step => ({ type: `${REPO} commit -qam "${message}" && ${REPO} push -q` });
const REVERT: Step = { type: `${REPO} revert --no-edit HEAD >/dev/null && ${REPO} push -q` };

export const THINGS: readonly Thing[] = [
  {
    title: 'Ship a new image',
    steps: [
      { type: `sed -i.bak 's/nginx:1.21.6/nginx:1.27.0/' "$DROVER_REPO/base/deployment.yaml"` },
      push('nginx 1.27.0'),
      { type: 'kubectl --context prod-us get deployment my-webapp -o wide', expect: ['my-webapp   2/2 ... nginx:1.27.0 ...'] },
    ],
    undo: [REVERT],
  },
  {
    title: 'Tamper with a cluster; then suspend, and tamper again',
    steps: [
      { type: 'kubectl --context prod-us scale deployment my-webapp --replicas=9' },
      { type: 'drover get events', expect: ['... DriftCorrected ... fleet@prod-us ... Deployment default/my-webapp: /spec/replicas ...'] },
      { type: 'kubectl --context prod-us get deployment my-webapp', expect: ['my-webapp   2/2 ...'] },
      { type: 'drover suspend fleet@prod-us -m "an experiment"' },
      { type: 'kubectl --context prod-us scale deployment my-webapp --replicas=4' },
      { type: 'kubectl --context prod-us get deployment my-webapp', expect: ['my-webapp   4/4 ...'] },
    ],
    undo: [{ type: 'drover resume fleet@prod-us' }],
  },
  {
    title: 'Break one overlay',
    steps: [
      { type: `sed -i.bak 's#\\.\\./\\.\\./base#../../bse#' "$DROVER_REPO/clusters/prod-eu/kustomization.yaml"` },
      push('a typo'),
      {
        type: 'drover explain fleet@prod-eu',
        expect: [
          'error[RENDER_RESOURCE_MISSING]: ../../bse does not exist at this commit: ...',
          '... did you mean ../../base?',
          '--> clusters/prod-eu/kustomization.yaml:4:3 ...',
          '4 | - ../../bse',
        ],
      },
    ],
    undo: [REVERT],
  },
  {
    title: 'Try to destroy it: take Deployment and Service out of the base',
    steps: [
      { type: `printf 'resources: []\\n' > "$DROVER_REPO/base/kustomization.yaml"` },
      push('oops'),
      { type: 'drover get units', expect: ['fleet@prod-us ... Waiting ... 2 of 3 objects would be deleted ...'] },
    ],
    undo: [REVERT],
  },
  {
    title: 'Unplug hub and NATS, and delete the Service',
    steps: [
      { type: 'touch "$DROVER_DEMO/unplugged"' },
      { type: 'drover status', expect: ['[HUB_UNREACHABLE] ...: nothing listens there'] },
      { type: 'kubectl --context prod-eu delete service my-webapp-svc' },
      { type: 'kubectl --context prod-eu get service my-webapp-svc', expect: ['my-webapp-svc   ClusterIP ...'] },
    ],
    undo: [{ type: 'rm "$DROVER_DEMO/unplugged"' }],
  },
];

export interface Places {
  readonly repository: string;
  readonly kubeconfig: string;
  readonly hub: string;
}

/** What the demo prints when it is up. */
export function guide(places: Places): string {
  const lines = [
    '',
    'A fleet of three real Kubernetes API servers follows one Git repository. Pods are simulated (kwok): they become',
    'Ready, and run nothing.',
    '',
    `  repository  ${places.repository}      (a working clone: commit and push)`,
    `  kubeconfig  ${places.kubeconfig}      (contexts canary-eu, prod-eu, prod-us)`,
    `  API         ${places.hub}`,
    '',
    'In another shell, in this directory:   eval "$(npm run -s demo:env)"',
    'gives you drover, kubectl and their settings. Then:',
  ];
  for (const [index, { title, steps, undo }] of THINGS.entries()) {
    lines.push('', `${index + 1}. ${title}`);
    for (const { type, expect = [] } of steps) lines.push(`   $ ${type}`, ...expect.map((line) => `     ${line}`));
    lines.push('   undo:', ...undo.map(({ type }) => `   $ ${type}`));
  }
  lines.push('', 'Ctrl-C ends everything.', '');
  return lines.join('\n');
}
