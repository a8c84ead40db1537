import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { errorKinds } from '../../src/core/index.js';
import { runCommand } from '../support/io.js';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const pages = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];

describe('the documentation', () => {
  it.each(pages)('%s links to pages that are there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  it('README has the two commands, as they are typed', () => {
    expect(read('README.md')).toContain('npm ci && npm start');
    expect(read('README.md')).toContain('npm ci && npm test');
  });

  it('errors.md has a section for every code', () => {
    const sections = [...read('docs/errors.md').matchAll(/^## (\w+)$/gm)].map((match) => match[1]);
    expect(sections.sort()).toEqual(Object.keys(errorKinds).sort());
  });

  it('dependencies.md has a line for every dependency', () => {
    const page = read('docs/dependencies.md');
    const { dependencies, devDependencies } = JSON.parse(read('package.json'));
    const missing = Object.keys({ ...dependencies, ...devDependencies }).filter(
      (name) => !page.includes(`\`${name}\``),
    );
    expect(missing).toEqual([]);
  });
});

describe('the deployment files', () => {
  it('the compose file’s configuration passes gatehouse check', async () => {
    const environment = { UTCP_REDIS_URL: 'redis://127.0.0.1:1' };
    const adjusted = read('deploy/gatehouse.yaml')
      .replace('secrets_dir: ./secrets', '')
      .replace(/^auth:\n.*\n/m, '');
    expect(adjusted).not.toContain('keys_file');
    const { mkdtemp, writeFile, mkdir, cp } = await import('node:fs/promises');
    const folder = await mkdtemp(join((await import('node:os')).tmpdir(), 'gatehouse-deploy-'));
    await mkdir(join(folder, 'manuals'));
    await cp(join(root, 'deploy/manuals'), join(folder, 'manuals'), { recursive: true });
    await writeFile(join(folder, 'gatehouse.yaml'), adjusted);
    const { code, err } = await runCommand(['check', '--config', join(folder, 'gatehouse.yaml')], { environment });
    expect([code, err]).toEqual([0, '']);
  });

  it('compose runs two replicas, each read-only, without capabilities and as nobody special', () => {
    const { services } = parse(read('docker-compose.yml'), { merge: true });
    for (const name of ['gatehouse-1', 'gatehouse-2']) {
      expect(services[name]).toMatchObject({ read_only: true, user: 'node', cap_drop: ['ALL'] });
      expect(services[name].ports).toBeUndefined();
    }
  });

  it('the Kubernetes pods are unprivileged, read-only and probed', () => {
    const [deployment] = parseAllDocuments(read('deploy/kubernetes/gatehouse.yaml')).map((document) => document.toJS());
    const [container] = deployment.spec.template.spec.containers;
    expect(deployment.spec.template.spec.securityContext.runAsNonRoot).toBe(true);
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    expect([container.livenessProbe.httpGet.path, container.readinessProbe.httpGet.path]).toEqual([
      '/livez',
      '/readyz',
    ]);
  });

  it('the image ends non-root, with a health check, without development dependencies', () => {
    const stages = read('Dockerfile')
      .split(/^FROM /m)
      .slice(1);
    expect(stages[0]).toContain('npm prune --omit=dev');
    expect(stages.at(-1)).toMatch(/^USER node$/m);
    expect(stages.at(-1)).toContain('HEALTHCHECK');
    expect(stages.at(-1)).not.toMatch(/npm (ci|install)/);
  });
});
