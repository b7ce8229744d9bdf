import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { examine } from '../../src/doctor/checks.ts';
import type { Facts, JobView, Wish } from '../../src/doctor/facts.ts';
import { err, ok } from '../../src/result.ts';
import type { Partition, PartitionNode } from '../../src/slurm/partition.ts';
import { catalogOf } from '../gen/catalog.ts';

const NOW = Date.UTC(2026, 2, 4);
const NO_LIMIT = Number.POSITIVE_INFINITY;

const GPU: Partition = {
  name: 'gpu',
  state: 'UP',
  isDefault: true,
  denyAccounts: [],
  denyQos: [],
  maxNodes: NO_LIMIT,
  maxTimeSeconds: 7200,
};
const node = (name: string, about: Partial<PartitionNode> = {}): PartitionNode => ({
  name,
  partition: 'gpu',
  address: '10.0.0.1',
  state: 'idle',
  cpus: 64,
  memoryMiB: 500_000,
  gpus: [{ type: 'h100', count: 4 }],
  ...about,
});
const wish = (spec: Partial<SpecInput> = {}, about: Partial<Wish> = {}): Wish => ({
  key: { namespace: 'default', name: 'web' },
  spec: Spec.parse({ model: { uri: 'hf://org/model' }, ...spec }),
  gated: false,
  ...about,
});
const JOB: JobView = {
  node: 'n1',
  seesLogDirectory: true,
  clockSkewMs: 0,
  directories: [],
  venvs: [],
  host: { program: '/usr/local/bin/vllm', engine: '0.32.0' },
};
const CONFIGURATION = {
  clockMs: NOW,
  version: '24.11.5',
  enforced: ['associations', 'limits', 'qos'],
  messageTimeoutSeconds: 10,
  slurmdPort: 6818,
  askedAtMs: NOW,
  answeredAtMs: NOW + 100,
};
const programs = ['sbatch', 'squeue', 'scancel', 'scontrol', 'sinfo', 'sacct', 'sacctmgr'].map((name) => ({
  name,
  version: ok('24.11.5'),
}));
const ACCOUNT = { account: 'ml', qos: ['normal'], isDefault: true, maxSubmitJobs: NO_LIMIT, maxWallSeconds: NO_LIMIT };
const QOS = { name: 'normal', maxSubmitJobsPerUser: NO_LIMIT, maxWallSeconds: NO_LIMIT };

/** A site in which all is well, and what is different about it. */
function facts(about: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    cluster: { type: 'slurm', why: 'sbatch is there', isChosen: false },
    connection: ok({ host: 'login1' }),
    programs,
    controller: ok({ hosts: [{ role: 'primary', host: 'ctl', isUp: true }] }),
    configuration: ok(CONFIGURATION),
    partitions: ok([GPU]),
    nodes: ok([node('n1'), node('n2')]),
    user: ok('ada'),
    associations: ok([ACCOUNT]),
    qos: ok([QOS]),
    route: { node: 'n1', address: '10.0.0.1', outcome: ok(undefined) },
    job: ok(JOB),
    timeoutSeconds: 30,
    site: { portRange: { low: 20_000, high: 30_000 }, defaults: { partitions: [] } },
    wishes: [wish({ resources: { nodes: 2, gpusPerNode: 4, gpuType: 'h100' } })],
    unreadable: [],
    directories: [{ path: '/logs', purpose: 'log directory', is: 'writable' }],
    venvs: [],
    ...about,
  };
}

const told = (about: Partial<Facts>): readonly string[] =>
  examine(facts(about)).flatMap(({ check, findings = [] }) =>
    findings.map(({ level, found }) => `${check} ${level}: ${found}`),
  );
const asks = (spec: Partial<SpecInput>, about: Partial<Wish> = {}): Partial<Facts> => ({ wishes: [wish(spec, about)] });

it('a site in which all is well is looked at whole, and nothing is found', () => {
  assert.deepEqual(
    examine(facts()).filter(({ findings }) => findings === undefined || findings.length > 0),
    [],
  );
});

it('what there are no facts of is not looked at, which is told from having found nothing', () => {
  const { programs: _, connection, controller, configuration, partitions, nodes, route, job, ...local } = facts();
  const here = { ...local, cluster: { type: 'local' as const, why: 'there is no sbatch on PATH', isChosen: false } };
  assert.deepEqual(
    examine(here).flatMap(({ check, findings }) => (findings === undefined ? [check] : [])),
    ['connection', 'programs', 'controller', 'placement', 'accounts', 'sharing', 'route', 'clock'],
  );
});

it('every finding says what it means and what to do', () => {
  const bad = facts({
    controller: err('no answer'),
    unreadable: ['a.yaml:1: torn'],
    route: { node: 'n1', address: '10.0.0.1', outcome: err('no answer within 5 s') },
    job: ok({ ...JOB, seesLogDirectory: false, clockSkewMs: 90_000 }),
    ...asks({ slurm: { partitions: ['x'], account: 'y' }, endpoint: { port: 8000 }, replicas: 2 }, { gated: true }),
  });
  const findings = examine(bad).flatMap((report) => report.findings ?? []);
  assert.equal(findings.length, 9);
  for (const { means, advice } of findings) assert.ok(means.length > 10 && advice.length > 10);
});

const STORIES: Readonly<Record<string, readonly [Partial<Facts>, readonly string[]]>> = {
  'a local cluster nobody chose': [
    { cluster: { type: 'local', why: 'there is no sbatch on PATH', isChosen: false } },
    ['cluster warning: jobs are processes of this machine (there is no sbatch on PATH)'],
  ],
  'a login node that is not reached': [
    { connection: err('no connection to login1: its host key is not known here') },
    ['connection error: no connection to login1: its host key is not known here'],
  ],
  'a command that is needed, and one that is not': [
    {
      programs: programs.map((one) =>
        ['sbatch', 'sacct'].includes(one.name) ? { ...one, version: err('not found') } : one,
      ),
    },
    ['programs error: sbatch does not run: not found', 'programs warning: sacct does not run: not found'],
  ],
  'commands of different and of old versions': [
    { programs: programs.map((one) => (one.name === 'sacct' ? { ...one, version: ok('20.11.4') } : one)) },
    ['programs warning: SLURM 20.11.4', 'programs warning: the commands are of different versions: 24.11.5, 20.11.4'],
  ],
  'a controller down with its backup': [
    {
      controller: ok({
        hosts: [
          { role: 'primary', host: 'a', isUp: false },
          { role: 'backup', host: 'b', isUp: false },
        ],
      }),
    },
    ['controller error: no controller answers: a (primary), b (backup)'],
  ],
  'a slurmrestd that does not know us': [
    { rest: err('slurmrestd accepts neither token nor user') },
    ['controller error: slurmrestd accepts neither token nor user'],
  ],
  'a slurmrestd of 22.05, and a token that ends': [
    { rest: ok({ jobs: 1, notices: { credentialsEndMs: facts().now + 600_000, cannotWarn: true } }) },
    [
      'controller warning: the token ends in 10 minutes',
      'controller warning: this version of slurmrestd cannot warn jobs before their time runs out (--signal)',
    ],
  ],
  'patience shorter than SLURM’s': [
    { timeoutSeconds: 10 },
    ['controller warning: commands are given 10 s, and SLURM itself waits 10 s (MessageTimeout)'],
  ],
  'a partition that is drained, and closed to the account': [
    {
      partitions: ok([{ ...GPU, state: 'DRAIN', allowAccounts: ['physics'] }]),
      ...asks({ slurm: { account: 'ml' } }),
    },
    [
      'placement error: default/web: partition gpu is DRAIN',
      'placement error: default/web: partition gpu is closed to account ml',
    ],
  ],
  'no partition named and none by default': [
    { partitions: ok([{ ...GPU, isDefault: false }]) },
    ['placement error: default/web: no partition is named, and the cluster has no default'],
  ],
  'a walltime from the settings that is too long': [
    { site: { ...facts().site, defaults: { partitions: ['gpu'], time: '3:00:00' } } },
    ['placement error: default/web: a walltime of 3:00:00 is more than partition gpu allows (02:00:00)'],
  ],
  'a type of GPU there is none of': [
    asks({ resources: { gpusPerNode: 4, gpuType: 'h200' } }),
    [
      'placement error: default/web: partition gpu has 0 nodes that could run a part of it, and it takes 1: 0 of 4 GPUs of type h200 on a node (there are: h100)',
    ],
  ],
  'more CPUs and memory than a node has': [
    asks({ resources: { gpusPerNode: 4, cpusPerTask: 128, memoryPerGpu: '200G' } }),
    [
      'placement error: default/web: partition gpu has 0 nodes that could run a part of it, and it takes 1: 64 of 128 CPUs on a node; 500000 of 819200 MiB memory on a node',
    ],
  ],
  'more nodes than a job may have': [
    { partitions: ok([{ ...GPU, maxNodes: 1 }]) },
    ['placement error: default/web: 2 nodes are more than a job may have in partition gpu (1)'],
  ],
  'a drained node of two that are needed': [
    { nodes: ok([node('n1'), node('n2', { state: 'drained' })]) },
    [
      'placement warning: default/web: of the nodes in partition gpu that could run it 1 can now (n2 drained), and it takes 2',
    ],
  ],
  'the same of two deployments': [
    { wishes: [wish({ slurm: { partitions: ['x'] } }), wish({ slurm: { partitions: ['x'] } }, { key: undefined })] },
    ['placement error: default/web, the settings: there is no partition x'],
  ],
  'a user without an account': [{ associations: ok([]) }, ['accounts error: user ada is in no account']],
  'accounting that is away': [
    { associations: err('slurmdbd is down') },
    ['accounts warning: accounting does not answer: slurmdbd is down'],
  ],
  'accounting that enforces nothing': [
    { configuration: ok({ ...CONFIGURATION, enforced: [] }), ...asks({ slurm: { account: 'any', qos: 'any' } }) },
    [],
  ],
  'a walltime the QOS does not allow': [
    { qos: ok([{ ...QOS, maxWallSeconds: 3600 }]), ...asks({ slurm: { qos: 'normal', time: '2:00:00' } }) },
    ['accounts error: default/web: a walltime of 2:00:00 is more than normal allows (60 minutes)'],
  ],
  'an old engine for its model': [
    {
      ...asks({ runtime: { type: 'venv', venv: '/venv' } }, { minimumEngine: '0.19.1' }),
      venvs: [{ path: '/venv', is: 'there', engine: '0.18.1+cpu' }],
    },
    ['engine error: default/web: /venv holds vLLM 0.18.1+cpu, and it takes 0.19.1 or later'],
  ],
  'a virtual environment that only the node knows': [
    {
      ...asks({ runtime: { type: 'venv', venv: '/venv' } }),
      venvs: [{ path: '/venv', is: 'absent' }],
      job: ok({ ...JOB, venvs: [{ path: '/venv', is: 'there', engine: '0.32.0' }] }),
    },
    [],
  ],
  'one without vLLM': [
    { ...asks({ runtime: { type: 'venv', venv: '/venv' } }), venvs: [{ path: '/venv', is: 'there' }] },
    ['engine error: default/web: no vLLM is installed in /venv'],
  ],
  'no vLLM on PATH of a node': [
    { job: ok({ ...JOB, host: {} }), host: { program: '/usr/bin/vllm', engine: '0.32.0' } },
    ['engine error: default/web: there is no vllm on PATH of n1'],
  ],
  'no vLLM on PATH, where modules may bring it, a stand-in needs none, or nobody has looked': [
    {
      job: ok({ ...JOB, host: {} }),
      wishes: [wish({ runtime: { modules: ['vllm'] } }), wish({ engine: { type: 'stand-in' } })],
    },
    [],
  ],
  'an old vLLM on PATH, which may be of no known version': [
    {
      job: ok({ ...JOB, host: { program: '/opt/bin/vllm', engine: '0.14.1' } }),
    },
    ['engine error: default/web: /opt/bin/vllm holds vLLM 0.14.1, and it takes 0.15.0 or later'],
  ],
  'a gated model without a token': [
    asks({}, { gated: true }),
    ['hub warning: default/web: hf://org/model is gated, and no token is named'],
  ],
  'a gated model that is in the cache': [
    asks({ model: { uri: 'hf://org/model', cache: { offline: true } } }, { gated: true }),
    [],
  ],
  'a token that cannot be read': [
    asks({}, { token: err('TOKEN is not in the environment') }),
    ['hub error: default/web: its Hugging Face token cannot be read: TOKEN is not in the environment'],
  ],
  'a model that is not on the hub': [
    asks({}, { hub: ok('unknown model') }),
    ['hub error: default/web: hf://org/model is not on the hub'],
  ],
  'a log directory the node does not see': [
    { job: ok({ ...JOB, seesLogDirectory: false }) },
    ['sharing error: n1 does not see what is written to the log directory here'],
  ],
  'a cache that cannot be written where it counts': [
    {
      directories: [{ path: '/cache', purpose: 'model cache', is: 'unusable' }],
      job: ok({ ...JOB, directories: [{ path: '/cache', purpose: 'model cache', is: 'writable' }] }),
    },
    [],
  ],
  'clocks apart, and within the time it takes to ask': [
    {
      configuration: ok({ ...CONFIGURATION, clockMs: NOW - 45_000 }),
      job: ok({ ...JOB, clockSkewMs: 29_000 }),
    },
    ['clock warning: the clock of the controller is 45 s behind this one'],
  ],
  'a node that is not reached': [
    { route: { node: 'n1', address: '10.0.0.1', outcome: err('no answer within 5 s') } },
    ['route warning: n1 (10.0.0.1) is not reached from here: no answer within 5 s'],
  ],
  'ports that are too few, and handed out by the kernel': [
    {
      ...asks({ replicas: 5 }),
      site: { ...facts().site, portRange: { low: 40_000, high: 40_009 } },
      job: ok({ ...JOB, ephemeralPorts: { low: 32_768, high: 60_999 } }),
    },
    [
      'ports warning: portRange 40000-40009 holds 10 ports, and all replicas on one node would take 15',
      'ports warning: portRange 40000-40009 overlaps the ports compute nodes hand out by themselves (32768-60999)',
    ],
  ],
  'a model that does not fit': [
    {
      ...asks({ model: { uri: 'hf://org/big' }, engine: { maxModelLen: 1_000_000 } }),
      site: { ...facts().site, hardware: { gpuMemoryGiB: 80 }, catalog: catalogOf({ big: {} }) },
    },
    [
      'fit warning: default/web: spec.engine.maxModelLen: one request of 1000000 tokens takes 122.1 GiB of cache, and a GPU of 80 GiB has 31.7 GiB left beside the weights: set it to 259072 or less, or take more GPUs',
    ],
  ],
};

describe('doctor finds', () => {
  for (const [story, [about, expected]] of Object.entries(STORIES))
    it(story, () => assert.deepEqual(told(about), expected));
});
