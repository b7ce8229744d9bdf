import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { SpecInput } from '../../src/api/spec.ts';

/** The rules that the manifests bring as an example, which the API server is given in CEL. */
export const SOME_RULES: unknown = parse(
  readFileSync(new URL('../../manifests/components/tenancy/tenancy.yaml', import.meta.url), 'utf8'),
);

export const NOT_ALLOWED = (namespace: string): string => `the operator has no rule that gives ${namespace} anything`;

export type TenancyCase = {
  readonly what: string;
  readonly namespace: string;
  readonly spec: Partial<SpecInput>;
  /** The operator's words, a line each field; undefined: allowed. */
  readonly says?: readonly string[];
};

const TEAM_A = { account: 'team-a', partitions: ['gpu'], qos: 'normal' };
const AT_PLACES = { account: 'team-a', qos: 'normal' };
const URGENT = { account: 'team-a-urgent', partitions: ['gpu-short'], qos: 'urgent' };

/** One verdict each, of the operator and of the API server. */
export const TENANCY_CASES: readonly TenancyCase[] = [
  { what: 'what its rule lists', namespace: 'team-a', spec: { slurm: TEAM_A } },
  { what: 'a namespace by the beginning of its name', namespace: 'team-a-dev', spec: { slurm: TEAM_A } },
  {
    what: 'a namespace that no rule names',
    namespace: 'team-b',
    spec: {},
    says: [`metadata.namespace: ${NOT_ALLOWED('team-b')}`],
  },
  {
    what: 'a namespace whose name only begins like that of another',
    namespace: 'team-ab',
    spec: { slurm: TEAM_A },
    says: [`metadata.namespace: ${NOT_ALLOWED('team-ab')}`],
  },
  {
    what: 'another account',
    namespace: 'team-a-dev',
    spec: { slurm: { ...TEAM_A, account: 'team-b' } },
    says: ['spec.slurm.account: must be team-a'],
  },
  {
    what: 'what has to be said, left out',
    namespace: 'team-a-dev',
    spec: {},
    says: [
      'spec.slurm.account: must be team-a',
      'spec.slurm.partitions: must be gpu or gpu-short',
      'spec.slurm.qos: must be normal or high',
    ],
  },
  {
    what: 'places that are all listed',
    namespace: 'team-a-dev',
    spec: { slurm: { ...AT_PLACES, places: [{ partitions: ['gpu'] }, { partitions: ['gpu-short'] }] } },
  },
  {
    what: 'a second place that is not listed',
    namespace: 'team-a-dev',
    spec: { slurm: { ...AT_PLACES, places: [{ partitions: ['gpu'] }, { partitions: ['debug'] }] } },
    says: ['spec.slurm.places: must not hold debug; allowed: gpu, gpu-short'],
  },
  {
    what: 'a place that leaves open what has to be said',
    namespace: 'team-a-dev',
    spec: { slurm: { ...AT_PLACES, places: [{ partitions: ['gpu'] }, {}] } },
    says: ['spec.slurm.places: must be gpu or gpu-short'],
  },
  {
    what: 'one partition too many',
    namespace: 'team-a',
    spec: { slurm: { ...TEAM_A, partitions: ['gpu', 'debug'] } },
    says: ['spec.slurm.partitions: must not hold debug; allowed: gpu, gpu-short'],
  },
  { what: 'all of the other rule', namespace: 'team-a', spec: { slurm: URGENT, engine: { trustRemoteCode: true } } },
  {
    what: 'half of one rule and half of another',
    namespace: 'team-a',
    spec: { slurm: { ...URGENT, qos: 'normal' } },
    says: ['spec.slurm.account: must be team-a'],
  },
  {
    what: 'a reservation that its rule lists',
    namespace: 'team-a',
    spec: { slurm: { ...URGENT, reservation: 'maintenance-free' } },
  },
  {
    what: 'a reservation where none is listed',
    namespace: 'team-a-dev',
    spec: { slurm: { ...TEAM_A, reservation: 'maintenance-free' } },
    says: ['spec.slurm.reservation: must be left out'],
  },
  {
    what: 'options that its rule lists, with any value',
    namespace: 'team-a-dev',
    spec: {
      slurm: { ...TEAM_A, extraArgs: ['--exclusive=user', '--mail-type=FAIL'] },
      engine: {
        args: ['--max-num-batched-tokens', '-1', '--enable-prefix-caching'],
        env: { VLLM_LOGGING_LEVEL: 'INFO' },
      },
    },
  },
  {
    what: 'options and variables that it does not list',
    namespace: 'team-a-dev',
    spec: {
      slurm: { ...TEAM_A, extraArgs: ['--mail-user=x', '--exclusive'] },
      engine: { args: ['--download-dir=/etc', '-O3'], env: { HF_HOME: '/etc' } },
    },
    says: [
      'spec.slurm.extraArgs: must not hold --mail-user; allowed: --exclusive, --mail-type',
      'spec.engine.args: must not hold --download-dir, -O3; allowed: --max-num-batched-tokens, --enable-prefix-caching',
      'spec.engine.env: must not hold HF_HOME; allowed: VLLM_LOGGING_LEVEL',
    ],
  },
  {
    what: 'code of a model repository',
    namespace: 'team-a-dev',
    spec: { slurm: TEAM_A, engine: { trustRemoteCode: true } },
    says: ['spec.engine.trustRemoteCode: must be false'],
  },
  {
    what: 'paths within those that it lists',
    namespace: 'team-a-dev',
    spec: {
      slurm: TEAM_A,
      model: { uri: 'file:///shared/models/m', cache: { path: '/shared/team-a' } },
      runtime: { type: 'venv', venv: '/shared/team-a/venv' },
    },
  },
  {
    what: 'paths beside them, one by climbing out',
    namespace: 'team-a-dev',
    spec: {
      slurm: TEAM_A,
      model: { uri: 'file:///shared/models/../secret', name: 'm', cache: { path: '/shared/team-ab' } },
      runtime: { type: 'venv', venv: '/home/alice/venv' },
    },
    says: [
      'spec.model.uri: must not hold ..',
      'spec.model.cache.path: must lie within /shared/models or /shared/team-a',
      'spec.runtime.venv: must lie within /shared/models or /shared/team-a',
    ],
  },
  {
    what: 'an image and mounts within the paths that it lists',
    namespace: 'team-a-dev',
    spec: {
      slurm: TEAM_A,
      runtime: {
        type: 'apptainer',
        image: '/shared/team-a/vllm.sif',
        mounts: ['/shared/models', '/shared/team-a/tmp:/etc'],
      },
    },
  },
  {
    what: 'an image and mounts beside them',
    namespace: 'team-a-dev',
    spec: {
      slurm: TEAM_A,
      runtime: {
        type: 'apptainer',
        image: '/home/alice/x.sif',
        mounts: ['/shared/models/../b', '/home:/shared/models'],
      },
    },
    says: [
      'spec.runtime.image: must lie within /shared/models or /shared/team-a',
      'spec.runtime.mounts[0]: must not hold ..',
      'spec.runtime.mounts[1]: must lie within /shared/models or /shared/team-a',
    ],
  },
  {
    what: 'an image of a registry that its rule lists by its beginning',
    namespace: 'team-a',
    spec: { slurm: TEAM_A, runtime: { type: 'apptainer', image: 'docker://vllm/vllm-openai:v0.11.0' } },
  },
  {
    what: 'an image of another name there',
    namespace: 'team-a',
    spec: { slurm: TEAM_A, runtime: { type: 'apptainer', image: 'docker://vllm-else/vllm-openai:v0.11.0' } },
    says: ['spec.runtime.image: must be docker://vllm/*'],
  },
  {
    what: 'an image of a registry where none is listed',
    namespace: 'playground',
    spec: { runtime: { type: 'apptainer', image: 'docker://vllm/vllm-openai:v0.11.0' } },
    says: ['spec.runtime.image: must not name an image of a registry'],
  },
  {
    what: 'more replicas than its rule gives',
    namespace: 'team-a-dev',
    spec: { slurm: TEAM_A, replicas: 9 },
    says: ['spec.replicas: must be at most 8'],
  },
  {
    what: 'the operator’s own defaults, and any option of the engine',
    namespace: 'playground',
    spec: { engine: { args: ['--swap-space=1'], env: { A: 'b' } } },
  },
  {
    what: 'more than the defaults where a rule lists nothing',
    namespace: 'playground',
    spec: { slurm: TEAM_A, model: { uri: 'file:///shared/models/m' } },
    says: [
      'spec.slurm.account: must be left out',
      'spec.slurm.partitions: must not hold gpu',
      'spec.slurm.qos: must be left out',
      'spec.model.uri: must not name a path',
    ],
  },
];
