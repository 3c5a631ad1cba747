/** The clusters of the demo, with the labels that Deliveries can select by. */
export const CLUSTERS = [
  { name: 'canary-eu', labels: { env: 'canary', region: 'eu' }, replicas: 1 },
  { name: 'prod-eu', labels: { env: 'prod', region: 'eu' }, replicas: 3 },
  { name: 'prod-us', labels: { env: 'prod', region: 'us' }, replicas: 2 },
] as const;

const BASE: Readonly<Record<string, string>> = {
  'base/kustomization.yaml': `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- deployment.yaml
- service.yaml
`,
  'base/deployment.yaml': `apiVersion: apps/v1
kind: Deployment
metadata:
  name: my-webapp
  namespace: default
  labels:
    app: my-webapp
spec:
  replicas: 2
  selector:
    matchLabels:
      app: my-webapp
  template:
    metadata:
      labels:
        app: my-webapp
    spec:
      containers:
      - name: webapp
        image: nginx:1.21.6
        ports:
        - containerPort: 80
`,
  'base/service.yaml': `apiVersion: v1
kind: Service
metadata:
  name: my-webapp-svc
  namespace: default
spec:
  selector:
    app: my-webapp
  ports:
  - port: 80
    targetPort: 80
`,
};

/** A patch, not kustomize's `replicas`: that fails without the Deployment, and no budget would be seen. */
function overlay(name: string, replicas: number): string {
  return `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- ../../base
patches:
- target: { kind: Deployment, name: my-webapp }
  patch: |-
    - { op: replace, path: /spec/replicas, value: ${replicas} }
configMapGenerator:
- name: my-webapp-settings
  namespace: default
  literals:
  - cluster=${name}
`;
}

/** The repository's first content: the application of every GitOps tutorial, and one overlay a cluster. */
export function repositoryFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries([
    ...Object.entries(BASE),
    ...CLUSTERS.map(({ name, replicas }): [string, string] => [`clusters/${name}/kustomization.yaml`, overlay(name, replicas)]),
  ]);
}
