import { z } from 'zod';

// The parts of the Compose Specification (compose-spec.io) and of the Kubernetes API (v1.34 reference) that our files
// use, strictly: a member that is not named here is a misspelling, or a reason to look it up and add it.

const text = z.string().min(1);
const duration = z.string().regex(/^\d+(ms|s|m|h)$/);
const serviceName = z.string().regex(/^[a-zA-Z0-9._-]+$/);

export const composeSchema = z.strictObject({
  'x-gatehouse': z.unknown(),
  services: z.record(
    serviceName,
    z
      .strictObject({
        image: text.optional(),
        build: text.optional(),
        command: z.array(z.string()).optional(),
        read_only: z.boolean(),
        user: text.optional(),
        init: z.boolean().optional(),
        cap_drop: z.array(text).optional(),
        security_opt: z.array(text).optional(),
        tmpfs: z.array(z.string().startsWith('/')).optional(),
        restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
        stop_grace_period: duration.optional(),
        depends_on: z.array(serviceName).optional(),
        networks: z.array(serviceName),
        ports: z.array(z.string().regex(/^\d+:\d+$/)).optional(),
        volumes: z.array(z.string().regex(/^(\.\/|[a-z0-9-]+:)[^:]*(:[^:]+)?(:ro)?$/)).optional(),
      })
      .refine((service) => (service.image === undefined) !== (service.build === undefined), 'image or build'),
  ),
  networks: z.record(
    serviceName,
    z.strictObject({
      ipam: z.strictObject({ config: z.array(z.strictObject({ subnet: z.cidrv4() })) }).optional(),
    }),
  ),
  volumes: z.record(serviceName, z.strictObject({})),
});

const label = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
const labels = z.record(text, label);
const metadata = z.strictObject({ name: label, labels, annotations: z.record(text, z.string()).optional() });
const portName = z.union([z.int().positive().max(65_535), z.string().regex(/^[a-z0-9-]{1,15}$/)]);
const quantity = z.string().regex(/^\d+(m|Ki|Mi|Gi)?$/);
const probe = z
  .strictObject({
    httpGet: z.strictObject({ path: z.string().startsWith('/'), port: portName }).optional(),
    tcpSocket: z.strictObject({ port: portName }).optional(),
    periodSeconds: z.int().positive(),
  })
  .refine(({ httpGet, tcpSocket }) => (httpGet === undefined) !== (tcpSocket === undefined), 'one kind of probe');

const container = z.strictObject({
  name: label,
  image: z.string().regex(/^[a-z0-9./-]+:[\w.-]+$/),
  args: z.array(z.string()).optional(),
  ports: z.array(z.strictObject({ name: portName, containerPort: z.int().positive().max(65_535) })),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  volumeMounts: z.array(
    z.strictObject({ name: label, mountPath: z.string().startsWith('/'), readOnly: z.boolean().optional() }),
  ),
});

const volume = z.union([
  z.strictObject({ name: label, configMap: z.strictObject({ name: label }) }),
  z.strictObject({ name: label, secret: z.strictObject({ secretName: label }) }),
  z.strictObject({ name: label, emptyDir: z.strictObject({}) }),
]);

const selector = z.strictObject({ matchLabels: labels });
const deployment = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata,
  spec: z.strictObject({
    replicas: z.int().positive(),
    selector,
    strategy: z.union([
      z.strictObject({ type: z.literal('Recreate') }),
      z.strictObject({ rollingUpdate: z.strictObject({ maxUnavailable: z.int(), maxSurge: z.int() }) }),
    ]),
    template: z.strictObject({
      metadata: z.strictObject({ labels }),
      spec: z.strictObject({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.int().positive().optional(),
        securityContext: z.strictObject({
          runAsNonRoot: z.literal(true),
          runAsUser: z.int().positive(),
          fsGroup: z.int().positive(),
          seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.array(container).min(1),
        volumes: z.array(volume),
      }),
    }),
  }),
});

const object = <Kind extends string, Shape extends z.ZodRawShape>(apiVersion: string, kind: Kind, shape: Shape) =>
  z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata, ...shape });

/** One document of the manifests. */
export const manifestSchema = z.discriminatedUnion('kind', [
  deployment,
  object('v1', 'ConfigMap', { data: z.record(z.string().regex(/^[\w.-]+$/), z.string()) }),
  object('v1', 'Service', {
    spec: z.strictObject({
      selector: labels,
      ports: z.array(z.strictObject({ name: portName, port: z.int().positive(), targetPort: portName })),
    }),
  }),
  object('policy/v1', 'PodDisruptionBudget', { spec: z.strictObject({ minAvailable: z.int(), selector }) }),
  object('networking.k8s.io/v1', 'Ingress', {
    spec: z.strictObject({
      ingressClassName: label,
      tls: z.array(z.strictObject({ hosts: z.array(text), secretName: label })),
      rules: z.array(
        z.strictObject({
          host: text,
          http: z.strictObject({
            paths: z.array(
              z.strictObject({
                path: z.string().startsWith('/'),
                pathType: z.enum(['Exact', 'Prefix', 'ImplementationSpecific']),
                backend: z.strictObject({
                  service: z.strictObject({ name: label, port: z.strictObject({ name: portName }) }),
                }),
              }),
            ),
          }),
        }),
      ),
    }),
  }),
  object('networking.k8s.io/v1', 'NetworkPolicy', {
    spec: z.strictObject({
      podSelector: selector,
      policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
      ingress: z.array(
        z.strictObject({
          from: z.array(z.strictObject({ podSelector: selector })),
          ports: z.array(z.strictObject({ port: portName })),
        }),
      ),
    }),
  }),
]);
export type Manifest = z.infer<typeof manifestSchema>;
export type DeploymentManifest = z.infer<typeof deployment>;
