import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainMessage } from './kustomize-message.ts';

const CANARY = 'canary-7f3a';

const messages: readonly { readonly name: string; readonly printed: string; readonly want: string }[] = [
  {
    name: 'a failure that is told for file and directory is told once',
    printed:
      "Error: accumulating resources: accumulation err='merging resources from 'b.yaml': may not add resource with an already registered id: ConfigMap.v1.[noGrp]/x.[noNs]': must build at directory: 'k/b.yaml': file is not directory",
    want: "merging resources from 'b.yaml': may not add resource with an already registered id: ConfigMap x",
  },
  {
    name: 'a failure below other directories is told once',
    printed:
      "Error: accumulating resources: accumulation err='accumulating resources from '../c': read c: is a directory': couldn't make target for path 'c': kustomization.yaml is empty",
    want: "couldn't make target for path 'c': kustomization.yaml is empty",
  },
  {
    name: 'identities are written as people do',
    printed: 'Error: nothing selected by Secret.[noVer].[noGrp]/s.shop:data.x',
    want: 'nothing selected by Secret shop/s:data.x',
  },
  {
    name: 'identities with a group too',
    printed: 'Error: no matches for Id Deployment.v1.apps/web.api.shop; x',
    want: 'no matches for Id Deployment shop/web.api; x',
  },
  {
    name: 'addresses in memory, which differ each time, are left out',
    printed:
      'Error: merging from generator &{0x3356fabb2000 <nil>}: id resid.ResId{Gvk:resid.Gvk{Group:"", Version:"v1", Kind:"ConfigMap", isClusterScoped:false}, Name:"q", Namespace:""} does not exist',
    want: 'merging from generator …: id ConfigMap q does not exist',
  },
  {
    name: 'I12 objects are left out',
    printed: `Error: map[string]interface {}{"kind":"Secret", "stringData":map[string]interface {}{"p":"${CANARY}"}}: json: unsupported value: +Inf`,
    want: '…: json: unsupported value: +Inf',
  },
  {
    name: 'I12 settings of generators and patches are left out',
    printed: `Error: trouble configuring builtin PatchTransformer with config: \`\npatch: ${CANARY}\n\`: unable to parse SM or JSON patch from [patch: "${CANARY}"]`,
    want: 'trouble configuring builtin PatchTransformer with config: …: unable to parse SM or JSON patch from […]',
  },
  {
    name: 'I12 literals are left out',
    printed: `Error: loading KV pairs: literal sources [a=${CANARY}]: invalid literal source my ${CANARY}, expected key=value`,
    want: 'loading KV pairs: literal sources […]: invalid literal source …, expected key=value',
  },
  { name: 'I12 texts known to be secret are left out wherever they stand', printed: `Error: odd ${CANARY} here`, want: 'odd … here' },
  {
    name: 'warnings about deprecated fields are no part of it',
    printed: "# Warning: 'bases' is deprecated.\nError: configmap s illegally repeats the key `p`",
    want: 'configmap s illegally repeats the key `p`',
  },
];
for (const { name, printed, want } of messages) {
  test(name.startsWith('I12') ? name : `message: ${name}`, () => assert.equal(plainMessage(printed, [CANARY]), want));
}

test('message: an endless one is cut', () => assert.equal(plainMessage(`Error: ${'x'.repeat(5000)}`, []).length, 601));
