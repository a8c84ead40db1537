import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { validate } from 'dockerfile-utils';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { runCommand } from '../support/io.js';
import { composeSchema, type DeploymentManifest, type Manifest, manifestSchema } from './schemas.js';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const compose = () => composeSchema.parse(parse(read('docker-compose.yml'), { merge: true }));
const manifests = () =>
  parseAllDocuments(read('deploy/kubernetes/gatehouse.yaml')).map((document) => manifestSchema.parse(document.toJS()));

function makeFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-deploy-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function findDeployment(name: string): DeploymentManifest {
  const isIt = (one: Manifest): one is DeploymentManifest => one.kind === 'Deployment' && one.metadata.name === name;
  const found = manifests().find(isIt);
  if (!found) throw new Error(`There is no deployment ${name}.`);
  return found;
}

describe('the Dockerfile', () => {
  it('has nothing that the linter knows to be wrong', () => {
    expect(validate(read('Dockerfile')).map(({ message, range }) => `${range.start.line + 1}: ${message}`)).toEqual([]);
  });

  it('starts both stages from the same image, ends non-root, and installs with what the lock says alone', () => {
    const stages = read('Dockerfile')
      .split(/^FROM /m)
      .slice(1);
    expect(stages.map((stage) => stage.split(/\s/)[0])).toEqual(['node:24-slim', 'node:24-slim']);
    expect(stages[0]).toMatch(/npm ci --ignore-scripts/);
    expect(stages[0]).toContain('npm prune --omit=dev');
    expect(stages.at(-1)).toMatch(/^USER node$/m);
    expect(stages.at(-1)).not.toMatch(/npm (ci|install)|^ADD|sudo|curl|latest/m);
  });

  it('keeps secrets and what the repository holds beside the sources out of its context', () => {
    const ignored = read('.dockerignore').split('\n');
    for (const path of ['.git', '.env', 'deploy', 'var', 'node_modules', 'config/*']) expect(ignored).toContain(path);
  });
});

describe('the compose file', () => {
  it('fits the specification in every member, and names no service, network or volume that is not there', () => {
    const { services, networks, volumes } = compose();
    for (const service of Object.values(services)) {
      expect(Object.keys(services)).toEqual(expect.arrayContaining(service.depends_on ?? []));
      expect(Object.keys(networks)).toEqual(expect.arrayContaining(service.networks));
      const named = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
      expect(Object.keys(volumes)).toEqual(expect.arrayContaining(named.filter((name) => !name.startsWith('.'))));
    }
  });

  it('runs two replicas that are the same but for their volume: unprivileged, read-only, not reachable past nginx', () => {
    const { services } = compose();
    const replicas = Object.entries(services).filter(([name]) => name.startsWith('gatehouse'));
    expect(replicas).toHaveLength(2);
    for (const [, replica] of replicas) {
      expect(replica).toMatchObject({ read_only: true, user: 'node', cap_drop: ['ALL'], networks: ['inside'] });
      expect(replica.security_opt).toContain('no-new-privileges:true');
      expect(replica.ports).toBeUndefined();
    }
    expect(Object.values(services).filter(({ ports }) => ports).length).toBe(1);
  });

  it('gives a replica longer to end than it takes, and trusts no other network than its own', () => {
    const { services, networks } = compose();
    const { server } = parse(read('deploy/gatehouse.yaml'));
    const grace_ms = Number.parseInt(services['gatehouse-1']?.stop_grace_period ?? '0', 10) * 1000;
    expect(grace_ms).toBeGreaterThan(server.drain_delay_ms + 10_000 + 2000);
    expect(server.trust_proxy).toEqual([networks.inside?.ipam?.config[0]?.subnet]);
  });

  it('nginx passes to the services that there are', () => {
    const upstreams = [...read('deploy/nginx/nginx.conf').matchAll(/^\s+server ([\w-]+):8080;$/gm)].map(
      ([, name]) => name,
    );
    expect(upstreams).toEqual(Object.keys(compose().services).filter((name) => name.startsWith('gatehouse')));
  });

  it('has a configuration that passes gatehouse check, with keys and secrets where it says', async () => {
    const folder = makeFolder({ 'secrets/UTCP_REDIS_URL': 'redis://127.0.0.1:1' });
    for (const name of ['gatehouse.yaml', 'manuals'])
      cpSync(join(root, 'deploy', name), join(folder, name), { recursive: true });
    const log = read('deploy/gatehouse.yaml').replace('/var/lib/gatehouse', folder);
    writeFileSync(join(folder, 'gatehouse.yaml'), log);
    const config = join(folder, 'gatehouse.yaml');
    expect((await runCommand(['keys', 'create', 'agent', '--config', config])).code).toBe(0);
    const { code, err } = await runCommand(['check', '--config', config]);
    expect([code, err]).toEqual([0, '']);
  });
});

describe('the Kubernetes manifests', () => {
  it('fit the API in every member', () => {
    expect(
      manifests()
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(
      [
        'ConfigMap',
        'Deployment',
        'Deployment',
        'Ingress',
        'NetworkPolicy',
        'PodDisruptionBudget',
        'Service',
        'Service',
      ].sort(),
    );
  });

  it('select the pods that they are about, and mount volumes that are there', () => {
    for (const name of ['gatehouse', 'gatehouse-redis']) {
      const { spec } = findDeployment(name);
      expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
      const volumes = spec.template.spec.volumes.map((volume) => volume.name);
      for (const container of spec.template.spec.containers) {
        expect(volumes).toEqual(expect.arrayContaining(container.volumeMounts.map((mount) => mount.name)));
        const ports = container.ports.map((port) => port.name);
        const service = manifests().find((one) => one.kind === 'Service' && one.metadata.name === name);
        expect(service?.kind === 'Service' && ports.includes(service.spec.ports[0]?.targetPort ?? '')).toBe(true);
      }
    }
  });

  it('leave a pod longer to end than it takes, and probe what says whether it is ready', () => {
    const { spec } = findDeployment('gatehouse');
    const [container] = spec.template.spec.containers;
    const { server } = configOf();
    expect((spec.template.spec.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(
      server.drain_delay_ms + 10_000 + 2000,
    );
    expect(container?.livenessProbe.httpGet?.path).toBe('/livez');
    expect(container?.readinessProbe.httpGet?.path).toBe('/readyz');
    expect(spec.replicas).toBeGreaterThan(1);
  });

  it('trust networks that belong to nobody outside', () => {
    const inside = new BlockList();
    inside.addSubnet('10.0.0.0', 8);
    for (const network of configOf().server.trust_proxy) expect(inside.check(network.split('/')[0])).toBe(true);
  });

  it('have a configuration that passes gatehouse check', async () => {
    const map = manifests().find((one) => one.kind === 'ConfigMap');
    const folder = makeFolder({ ...map?.data, 'run/gatehouse/UTCP_REDIS_URL': 'redis://127.0.0.1:1' });
    const config = join(folder, 'gatehouse.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replaceAll('/run/secrets', join(folder, 'run')));
    mkdirSync(join(folder, 'run/gatehouse-keys'));
    expect((await runCommand(['keys', 'create', 'agent', '--config', config])).code).toBe(0);
    const { code, err } = await runCommand(['check', '--config', config]);
    expect([code, err]).toEqual([0, '']);
  });

  function configOf() {
    const map = manifests().find((one) => one.kind === 'ConfigMap');
    return parse(map?.kind === 'ConfigMap' ? (map.data['gatehouse.yaml'] ?? '') : '');
  }
});

describe('the replay of the image’s steps', () => {
  it('is a program that parses', () => {
    execFileSync(process.execPath, ['--check', join(root, '.ci/replay-image.js')]);
  });
});
