/** One thing to try: lines to paste, the line to expect, and how to undo it. */
interface Thing {
  readonly title: string;
  readonly paste: readonly string[];
  readonly expect: readonly string[];
  readonly undo: readonly string[];
}

const REVERT =
  'git -C "$DROVER_REPO" revert --no-edit HEAD -q 2>/dev/null || git -C "$DROVER_REPO" revert --no-edit HEAD; git -C "$DROVER_REPO" push -q';

export const THINGS: readonly Thing[] = [
  {
    title: 'Ship a new image',
    paste: [
      `sed -i 's/nginx:1.21.6/nginx:1.27.0/' "$DROVER_REPO/base/deployment.yaml"`,
      'git -C "$DROVER_REPO" commit -qam "nginx 1.27.0" && git -C "$DROVER_REPO" push -q',
      'drover wait fleet && kubectl --context prod-us get deployment my-webapp -o wide',
    ],
    expect: ['my-webapp   2/2 ... nginx:1.27.0'],
    undo: [REVERT],
  },
  {
    title: 'Tamper with a cluster; then suspend, and tamper again',
    paste: ['kubectl --context prod-us scale deployment my-webapp --replicas=9', 'drover get events | tail -n 3'],
    expect: ['DriftCorrected ... Deployment default/my-webapp ... /spec/replicas ... by kubectl'],
    undo: [
      'nothing to undo. To be left alone:  drover suspend fleet@prod-us -m "an experiment"',
      'and to be looked after again:       drover resume fleet@prod-us',
    ],
  },
  {
    title: 'Break one overlay',
    paste: [
      `sed -i 's#\\.\\./\\.\\./base#../../bse#' "$DROVER_REPO/clusters/prod-eu/kustomization.yaml"`,
      'git -C "$DROVER_REPO" commit -qam "a typo" && git -C "$DROVER_REPO" push -q',
      'sleep 2; drover explain fleet@prod-eu',
    ],
    expect: ['clusters/prod-eu/kustomization.yaml:4:3 ... "bse" ... did you mean "../../base"?   The other clusters go on.'],
    undo: [REVERT],
  },
  {
    title: 'Try to destroy it: take Deployment and Service out of the base',
    paste: [
      `printf 'resources: []\\n' > "$DROVER_REPO/base/kustomization.yaml"`,
      'git -C "$DROVER_REPO" commit -qam "oops" && git -C "$DROVER_REPO" push -q',
      'sleep 2; drover get units',
    ],
    expect: ['Waiting ... 2 of 3 objects would be deleted, 50 % allowed (deletes.maxPercent)'],
    undo: [REVERT],
  },
  {
    title: 'Unplug hub and NATS, and delete the Service',
    paste: [
      'touch "$DROVER_DEMO/unplugged"; while drover version --hub "$DROVER_HUB" >/dev/null 2>&1 && drover status >/dev/null 2>&1; do :; done',
      'kubectl --context prod-eu delete service my-webapp-svc && kubectl --context prod-eu get service my-webapp-svc',
    ],
    expect: ['my-webapp-svc   ClusterIP   ...   the agent put it back, alone'],
    undo: ['rm "$DROVER_DEMO/unplugged"'],
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
  for (const [index, thing] of THINGS.entries()) {
    lines.push('', `${index + 1}. ${thing.title}`);
    for (const line of thing.paste) lines.push(`   $ ${line}`);
    for (const line of thing.expect) lines.push(`   > ${line}`);
    for (const [at, line] of thing.undo.entries()) lines.push(`   ${at === 0 ? 'undo:' : '     '} ${line}`);
  }
  lines.push('', 'Ctrl-C ends everything.', '');
  return lines.join('\n');
}
