import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { SpecInput } from '../../src/api/spec.ts';
import { type Workspace, workspace } from '../cli/workspace.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** `doctor` on a real SLURM with accounting: silent where all is well, and each fault planted alone is found. */

const skip = whyNoBed() ?? false;
const GATED = '/org/gated/resolve/main/config.json';

type Site = { readonly bed: Bed; readonly here: Workspace; readonly hub: string; readonly venvs: string };
type Planted = {
  /** Besides `--json`. */
  readonly flags?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly plant?: (site: Site) => Promise<unknown> | undefined;
  readonly mend?: (site: Site) => Promise<unknown>;
  readonly finds: readonly [check: string, level: 'error' | 'warning', found: RegExp];
};
type Finding = { readonly check: string; readonly level: string; readonly found: string };

const deployment = (name: string, about: Partial<SpecInput>): string =>
  stringify({
    apiVersion: 'vllm-slurm.dev/v1alpha1',
    kind: 'VLLMDeployment',
    metadata: { name },
    spec: { model: { uri: 'hf://org/model' }, ...about },
  });

/** Written as the file of one deployment, in place of the good one of the same name. */
const asking = (about: Partial<SpecInput>): Readonly<Record<string, string>> => ({
  'web.yaml': deployment('web', about),
});

const FAULTS: Readonly<Record<string, Planted>> = {
  'a command that is missing': {
    plant: async ({ here }) => {
      const directory = path.join(here.home, 'bin');
      mkdirSync(directory, { recursive: true });
      for (const name of ['sbatch', 'squeue', 'scontrol', 'sinfo', 'sacct', 'sacctmgr'])
        symlinkSync(`/usr/bin/${name}`, path.join(directory, name));
    },
    flags: ['--set', 'cluster.binDirectory=HOME/bin'],
    finds: ['programs', 'error', /^scancel does not run/],
  },
  'a controller that is away': {
    plant: ({ bed }) => bed.stopController(),
    mend: async ({ bed }) => {
      await bed.startController();
      await allIdle(bed);
    },
    finds: ['controller', 'error', /^no controller answers|^the controller does not answer/],
  },
  'a file that cannot be read': {
    files: { 'torn.yaml': 'apiVersion: vllm-slurm.dev/v1alpha1\nkind: VLLMDeployment\nmetadata: {name: [' },
    finds: ['deployments', 'error', /^torn\.yaml:3: /],
  },
  'a partition that does not exist': {
    files: asking({ slurm: { partitions: ['gpuu'] } }),
    finds: ['placement', 'error', /^default\/web: there is no partition gpuu$/],
  },
  'a walltime the partition does not allow': {
    files: asking({ slurm: { partitions: ['short'], time: '02:00:00' } }),
    finds: [
      'placement',
      'error',
      /^default\/web: a walltime of 02:00:00 is more than partition short allows \(00:10:00\)$/,
    ],
  },
  'more GPUs than a node has': {
    files: asking({ resources: { gpusPerNode: 8 } }),
    finds: ['placement', 'error', /partition gpu has 0 nodes that could run a part of it.*4 of 8 GPUs on a node/],
  },
  'nodes that are down': {
    files: asking({ resources: { nodes: 3, gpusPerNode: 1 } }),
    plant: async ({ bed }) => {
      await bed.setNode('node002', 'down');
      await bed.setNode('node003', 'down');
    },
    mend: async ({ bed }) => {
      await bed.setNode('node002', 'resume');
      await bed.setNode('node003', 'resume');
    },
    finds: ['placement', 'warning', /2 can now \(node002 down, node003 down\), and it takes 3$/],
  },
  'an account the user is not in': {
    files: asking({ slurm: { account: 'mll' } }),
    finds: ['accounts', 'error', /^default\/web: root is not in account mll$/],
  },
  'a QOS that is not open': {
    files: asking({ slurm: { qos: 'urgent' } }),
    finds: ['accounts', 'error', /^default\/web: QOS urgent is not open to account ml$/],
  },
  'more replicas than jobs a user may have': {
    files: asking({ slurm: { qos: 'tiny' }, replicas: 3 }),
    finds: ['accounts', 'warning', /^3 replicas are wanted under QOS tiny, which lets a user have 1 jobs$/],
  },
  'a log directory that cannot be made': {
    files: { 'not-a-directory': '' },
    flags: ['--set', 'logDirectory=HOME/deployments/not-a-directory/logs'],
    finds: ['directories', 'error', /^the log directory .* cannot be written on this machine/],
  },
  'an engine that is too old': {
    files: asking({ runtime: { type: 'venv', venv: 'HOME/venvs/old' } }),
    finds: ['engine', 'error', /holds vLLM 0\.14\.0, and it takes 0\.15\.0 or later$/],
  },
  'no engine on PATH of a node, seen by a job': {
    files: asking({}),
    flags: ['--job'],
    finds: ['engine', 'error', /^default\/web: there is no vllm on PATH of \S+$/],
  },
  'a gated model without a token': {
    files: asking({ model: { uri: 'hf://org/gated' } }),
    flags: ['--online'],
    finds: ['hub', 'error', /^default\/web: hf:\/\/org\/gated is refused by the hub$/],
  },
  'one port for two replicas': {
    files: asking({ endpoint: { port: 8000 }, replicas: 2 }),
    finds: ['ports', 'warning', /^port 8000 is fixed for 2 replicas: default\/web$/],
  },
  'a cache a node cannot write, seen by a job': {
    files: asking({
      model: { uri: 'hf://org/model', cache: { path: '/proc/version/cache' } },
      runtime: { type: 'venv', venv: 'HOME/venvs/good' },
    }),
    flags: ['--job'],
    finds: ['caches', 'error', /^the model cache \/proc\/version\/cache cannot be written on /],
  },
  'a model that will not fit': {
    files: asking({ model: { uri: 'hf://openai/gpt-oss-120b' } }),
    flags: ['--set', 'hardware.gpuMemoryGiB=40'],
    finds: ['fit', 'warning', /^default\/web: spec\.resources: the weights take 60\.8 GiB/],
  },
};

/** A controller that has just come back does not know its nodes yet. */
async function allIdle(bed: Bed): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (performance.now() < end) {
    const states = await bed.run('sinfo', '--noheader', '--Node', '--format=%T');
    if (states.split('\n').every((state) => state === 'idle')) return;
    await delay(200);
  }
  assert.fail(`the nodes are not idle within ${DEADLINE_MS} ms`);
}
const DEADLINE_MS = 60_000;

describe('doctor on a real site', { skip }, () => {
  const made: { site?: Site; close?: () => void } = {};
  const site = (): Site => {
    assert.ok(made.site);
    return made.site;
  };

  before(async () => {
    const hub = createServer((request, response) => {
      response.statusCode = request.url === GATED ? 403 : 200;
      response.end();
    });
    await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
    const here = workspace();
    const venvs = path.join(here.home, 'venvs');
    for (const [name, version] of [
      ['good', '0.32.0'],
      ['old', '0.14.0'],
    ])
      mkdirSync(path.join(venvs, `${name}/lib/python3.12/site-packages/vllm-${version}.dist-info`), {
        recursive: true,
      });
    made.close = () => hub.close();
    made.site = {
      bed: await startBed({ accounting: true }),
      here,
      hub: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
      venvs,
    };
  });
  after(async () => {
    made.close?.();
    await made.site?.bed.stop();
    await made.site?.here[Symbol.asyncDispose]();
  });

  async function findings(files: Planted['files'] = {}, flags: readonly string[] = []): Promise<readonly Finding[]> {
    const { bed, here, hub } = site();
    const inHome = (text: string) => text.replaceAll('HOME', here.home);
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(here.directory, file), inHome(text));
    const variables = { ...bed.env, VLLM_SLURM_CLUSTER_TYPE: 'slurm', HF_ENDPOINT: hub };
    const ran = await here.runWith(variables, 'doctor', '--json', ...flags.map(inHome));
    const { findings: found } = JSON.parse(ran.stdout) as { readonly findings: readonly Finding[] };
    const isBad = found.some(({ level }) => level === 'error');
    assert.equal(ran.code, isBad ? 1 : 0, ran.stderr);
    return found;
  }

  function clean(files: Planted['files'] = {}): void {
    const { here } = site();
    for (const file of Object.keys(files)) rmSync(path.join(here.directory, file));
    writeFileSync(path.join(here.directory, 'web.yaml'), GOOD.replaceAll('HOME', here.home));
  }

  const GOOD = deployment('web', {
    resources: { nodes: 2, gpusPerNode: 4, cpusPerTask: 16, memory: '32G' },
    slurm: { account: 'ml', qos: 'normal', partitions: ['gpu', 'short'], time: '00:10:00' },
    runtime: { type: 'venv', venv: 'HOME/venvs/good' },
    model: { uri: 'hf://org/model', cache: { path: 'HOME/cache' } },
  });

  test('where all is well nothing is found, by a job neither, which leaves nothing behind', async () => {
    const { bed, here } = site();
    assert.deepEqual(await findings({ 'web.yaml': GOOD }, ['--job', '--online']), []);
    assert.deepEqual(readdirSync(here.logs), []);
    assert.equal(await bed.run('squeue', '--noheader', '--states=PENDING,RUNNING'), '');
  });

  for (const [fault, { files, flags, plant, mend, finds }] of Object.entries(FAULTS)) {
    test(`${fault} is found, and nothing else`, async () => {
      const [check, level, found] = finds;
      await plant?.(site());
      try {
        const told = await findings(files, flags);
        assert.deepEqual(
          told.map((one) => [one.check, one.level]),
          [[check, level]],
          JSON.stringify(told),
        );
        assert.match(told[0]?.found ?? '', found);
      } finally {
        await mend?.(site());
        clean(files);
      }
    });
  }
});
