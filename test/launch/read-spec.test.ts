import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { whyNoEngineArgument } from '../../src/launch/engine-options.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { whyNoSbatchOption } from '../../src/launch/sbatch-options.ts';

const model = { uri: 'hf://org/repo' };
type Told = readonly [field: string, message: string];

function problemsOf(raw: unknown): readonly Told[] {
  const spec = readSpec(raw);
  return spec.ok ? [] : spec.error.map(({ field, message }) => [field, message]);
}

const cases: readonly [title: string, raw: unknown, problems: readonly Told[]][] = [
  ['the least there is', { model }, []],
  ['nothing', undefined, [['spec', 'is required']]],
  ['an empty one', {}, [['spec.model', 'is required']]],
  ['an empty line', { model: null }, [['spec.model', 'is empty: give it a value or leave the line out']]],
  [
    'mistyped fields, however deep',
    { model, replicass: 1, engine: { maxModelLenght: 1 }, probes: { startup: { xyzzy: 1 } } },
    [
      ['spec.engine.maxModelLenght', 'is no field of spec.engine. Did you mean "maxModelLen"?'],
      ['spec.probes.startup.xyzzy', 'is no field of spec.probes.startup. Its fields: timeoutSeconds.'],
      ['spec.replicass', 'is no field of spec. Did you mean "replicas"?'],
    ],
  ],
  [
    'wrong types, with what was written',
    {
      model: { uri: 7 },
      replicas: 'two',
      suspend: 'yes',
      resources: { gpusPerNode: 1.5 },
      slurm: { time: 90, partitions: 'gpu' },
      engine: { type: 'vlm', args: ['--a', 3], env: { A: 1 } },
    },
    [
      ['spec.model.uri', 'must be text, not 7: put it in quotes'],
      ['spec.replicas', 'must be a number, not "two"'],
      ['spec.resources.gpusPerNode', 'must be a whole number, not 1.5'],
      ['spec.slurm.partitions', 'must be a list, not "gpu": write [gpu]'],
      ['spec.slurm.time', 'must be text, not 90: put it in quotes'],
      ['spec.engine.type', 'must be one of vllm, stand-in, not "vlm". Did you mean "vllm"?'],
      ['spec.engine.args[1]', 'must be text, not 3: put it in quotes'],
      ['spec.engine.env.A', 'must be text, not 1: put it in quotes'],
      ['spec.suspend', 'must be true or false, not "yes"'],
    ],
  ],
  [
    'values out of bounds',
    { model, replicas: -1, resources: { nodes: 65 }, engine: { gpuMemoryUtilization: 0, env: { '1A': 'x' } } },
    [
      ['spec.replicas', 'must be at least 0, not -1'],
      ['spec.resources.nodes', 'must be at most 64, not 65'],
      ['spec.engine.gpuMemoryUtilization', 'must be above 0, not 0'],
      ['spec.engine.env.1A', 'must be an environment variable name'],
    ],
  ],
  [
    'more ranks than GPUs, with the sum',
    { model, parallelism: { tensor: 4, pipeline: 2 }, resources: { gpusPerNode: 4 } },
    [
      [
        'spec.parallelism.tensor',
        'tensor 4 × pipeline 2 = 8 ranks, but nodes 1 × gpusPerNode 4 = 4 GPUs: each rank needs a GPU of its own',
      ],
    ],
  ],
  [
    'stages that do not divide the GPUs',
    { model, parallelism: { pipeline: 3 }, resources: { gpusPerNode: 4 } },
    [
      [
        'spec.parallelism.pipeline',
        'pipeline 3 does not divide nodes 1 × gpusPerNode 4 = 4 GPUs: set parallelism.tensor, or another pipeline',
      ],
    ],
  ],
  [
    'copies that need more GPUs than there are',
    { model, parallelism: { tensor: 2, data: 4 }, resources: { nodes: 2, gpusPerNode: 2 } },
    [
      [
        'spec.parallelism.tensor',
        'tensor 2 × pipeline 1 × data 4 = 8 ranks, but nodes 2 × gpusPerNode 2 = 4 GPUs: each rank needs a GPU of its own',
      ],
    ],
  ],
  [
    'copies that do not divide the GPUs',
    { model, parallelism: { data: 3 }, resources: { gpusPerNode: 4 } },
    [
      [
        'spec.parallelism.data',
        'data 3 does not divide nodes 1 × gpusPerNode 4 = 4 GPUs: set parallelism.tensor, or another data',
      ],
    ],
  ],
  [
    'copies that nodes cannot share',
    { model, parallelism: { tensor: 1, data: 3 }, resources: { nodes: 2, gpusPerNode: 4 } },
    [['spec.parallelism.data', 'data 3 over 2 nodes: each node holds as many copies, so it must be a multiple of 2']],
  ],
  [
    'ranks that nodes cannot share',
    { model, parallelism: { tensor: 3 }, resources: { nodes: 2, gpusPerNode: 2 } },
    [
      [
        'spec.parallelism',
        'tensor 3 × pipeline 1 = 3 ranks, which 2 nodes cannot share evenly: make it a multiple of 2',
      ],
    ],
  ],
  ['ranks over nodes of GPUs', { model, resources: { nodes: 4, gpusPerNode: 8 } }, []],
  [
    'tensor ranks over nodes without GPUs',
    { model, parallelism: { tensor: 2 }, resources: { nodes: 2, gpusPerNode: 0 } },
    [],
  ],
  [
    'one rank for two nodes without GPUs',
    { model, parallelism: { tensor: 1 }, resources: { nodes: 2, gpusPerNode: 0 } },
    [
      [
        'spec.parallelism',
        'tensor 1 × pipeline 1 = 1 rank, which 2 nodes cannot share evenly: make it a multiple of 2',
      ],
    ],
  ],
  [
    'ray where it cannot be',
    {
      model,
      engine: { type: 'stand-in' },
      launcher: { type: 'ray' },
      parallelism: { data: 2 },
      resources: { nodes: 2 },
    },
    [
      ['spec.launcher.type', 'must be torchrun or native: data parallelism with ray is not served by this version'],
      ['spec.launcher.type', 'must be torchrun or native: the stand-in engine knows no ray'],
    ],
  ],
  [
    'secrets from nowhere, and from two places',
    {
      model: { ...model, tokenFrom: {} },
      endpoint: { apiKeyFrom: { env: 'KEY', secretKeyRef: { name: 'vllm', key: 'api' } } },
    },
    [
      ['spec.model.tokenFrom', 'needs exactly one of env, file and secretKeyRef, and has none'],
      ['spec.endpoint.apiKeyFrom', 'needs exactly one of env, file and secretKeyRef, and has env and secretKeyRef'],
    ],
  ],
  [
    'a meeting place that is none',
    { model, launcher: { rendezvous: { timeoutSeconds: 1, portRange: '8000' } } },
    [
      ['spec.launcher.rendezvous.timeoutSeconds', 'must be at least 10, not 1'],
      ['spec.launcher.rendezvous.portRange', 'must be LOW-HIGH, such as 20000-30000'],
    ],
  ],
  [
    'ranges backwards for ranks to meet',
    { model, launcher: { rendezvous: { portRange: '9000-8000' } } },
    [['spec.launcher.rendezvous.portRange', 'must be LOW-HIGH in order, within 1024-65535']],
  ],
  [
    'what a field says and the environment says too',
    { model, launcher: { nccl: { debug: 'INFO' } }, engine: { env: { NCCL_DEBUG: 'WARN', NCCL_IB_TIMEOUT: '22' } } },
    [['spec.engine.env.NCCL_DEBUG', 'is refused: spec.launcher.nccl.debug sets it']],
  ],
  [
    'the place of a rank',
    {
      model,
      engine: { args: ['--nnodes=2', '-dp', '2', '--enable-expert-parallel', '--distributed-executor-backend=ray'] },
    },
    [
      [
        'spec.engine.args[0]',
        '--nnodes is refused: the operator gives each rank its place: set spec.parallelism and spec.resources',
      ],
      ['spec.engine.args[1]', '-dp is refused: set spec.parallelism.data'],
      ['spec.engine.args[3]', '--enable-expert-parallel is refused: set spec.parallelism.expert'],
      ['spec.engine.args[4]', '--distributed-executor-backend is refused: set spec.launcher.type'],
    ],
  ],
  ['fewer ranks than GPUs', { model, parallelism: { tensor: 3 }, resources: { gpusPerNode: 4 } }, []],
  ['ranks on CPUs', { model, parallelism: { tensor: 2 }, resources: { gpusPerNode: 0 } }, []],
  [
    'memory said twice',
    { model, resources: { memory: '8G', memoryPerGpu: '8G' } },
    [['spec.resources.memoryPerGpu', 'must not stand beside spec.resources.memory: keep one']],
  ],
  [
    'memory for each of no GPUs',
    { model, resources: { gpusPerNode: 0, memoryPerGpu: '8G' } },
    [['spec.resources.memoryPerGpu', 'needs GPUs, and spec.resources.gpusPerNode is 0']],
  ],
  [
    'a venv runtime without its venv',
    { model, runtime: { type: 'venv' } },
    [['spec.runtime.venv', 'is required, as spec.runtime.type is venv']],
  ],
  [
    'a venv without its runtime',
    { model, runtime: { venv: '/v' } },
    [['spec.runtime.venv', 'has no use while spec.runtime.type is host: set that to venv']],
  ],
  [
    'a container without its image',
    { model, runtime: { type: 'apptainer' } },
    [['spec.runtime.image', 'is required, as spec.runtime.type is apptainer']],
  ],
  [
    'an image and mounts without a container',
    { model, runtime: { image: '/i.sif', mounts: ['/data'] } },
    [
      ['spec.runtime.image', 'has no use while spec.runtime.type is host: set that to apptainer or pyxis'],
      ['spec.runtime.mounts', 'has no use while spec.runtime.type is host: set that to apptainer or pyxis'],
    ],
  ],
  [
    'an image that is neither a path nor in a registry, and mounts that would be two',
    { model, runtime: { type: 'apptainer', image: 'vllm.sif', mounts: ['/a,/b', '/a:/b:ro', 'data'] } },
    [
      ['spec.runtime.image', 'must be an absolute path, docker://NAME or oras://NAME'],
      [
        'spec.runtime.mounts[0]',
        'must be SOURCE or SOURCE:TARGET, absolute paths without commas, colons, quotes and backslashes',
      ],
      [
        'spec.runtime.mounts[1]',
        'must be SOURCE or SOURCE:TARGET, absolute paths without commas, colons, quotes and backslashes',
      ],
      [
        'spec.runtime.mounts[2]',
        'must be SOURCE or SOURCE:TARGET, absolute paths without commas, colons, quotes and backslashes',
      ],
    ],
  ],
  [
    'an image that Enroot cannot have',
    { model, runtime: { type: 'pyxis', image: 'oras://host/vllm:1' } },
    [['spec.runtime.image', 'goes with spec.runtime.type apptainer alone: Enroot knows no oras://']],
  ],
  [
    'paths that cannot be mounted',
    {
      model: { uri: 'file:///models/a:b', name: 'm', cache: { path: '/cache/a,b' } },
      runtime: { type: 'apptainer', image: '/i.sif' },
    },
    [
      ['spec.model.uri', 'must be without commas, colons, quotes and backslashes to be mounted in a container'],
      ['spec.model.cache.path', 'must be without commas, colons, quotes and backslashes to be mounted in a container'],
    ],
  ],
  [
    'a variable for what starts the container',
    { model, engine: { env: { APPTAINER_BIND: '/' } } },
    [
      [
        'spec.engine.env.APPTAINER_BIND',
        'is refused: it is for what starts the container, not for the engine: see spec.runtime',
      ],
    ],
  ],
  [
    'a stand-in in a venv',
    { model, runtime: { type: 'venv', venv: '/v' }, engine: { type: 'stand-in' } },
    [['spec.runtime.type', 'must be host: the stand-in engine brings its own program']],
  ],
  [
    'a port said twice',
    { model, endpoint: { port: 8000, portRange: '8000-9000' } },
    [['spec.endpoint.portRange', 'must not stand beside spec.endpoint.port: keep one']],
  ],
  [
    'a range backwards',
    { model, endpoint: { portRange: '9000-8000' } },
    [['spec.endpoint.portRange', 'must be LOW-HIGH in order, within 1024-65535']],
  ],
  [
    'places beside the one place',
    { model, slurm: { cluster: 'alps', places: [{ cluster: 'jura' }] } },
    [['spec.slurm.places', 'must not stand beside spec.slurm.cluster: name it in each place']],
  ],
  [
    'places beside partitions',
    { model, slurm: { partitions: ['gpu'], places: [{ partitions: ['long'] }] } },
    [['spec.slurm.places', 'must not stand beside spec.slurm.partitions: name it in each place']],
  ],
  [
    'places of which one names no cluster, and one that is there twice',
    {
      model,
      slurm: { places: [{ cluster: 'jura' }, { partitions: ['gpu'] }, { cluster: 'jura', waitSeconds: 60 }] },
    },
    [
      ['spec.slurm.places[1].cluster', 'must be named in all places or in none'],
      ['spec.slurm.places[2]', 'is cluster jura, as places[0] is already'],
    ],
  ],
  [
    'a revision of a path',
    { model: { uri: 'file:///m', revision: 'main' } },
    [['spec.model.revision', 'belongs to a repository on the hub, and spec.model.uri is a path']],
  ],
  [
    'a path that makes no name',
    { model: { uri: 'file:///models/my"model' } },
    [['spec.model.name', 'is needed: "my"model", from spec.model.uri, is no name to ask for']],
  ],
  [
    'one name twice',
    { model: { ...model, name: 'a', aliases: ['b', 'a', 'b'] } },
    [
      ['spec.model.aliases[1]', '"a" is served already'],
      ['spec.model.aliases[2]', '"b" is served already'],
    ],
  ],
  [
    'engine options that are the operator’s or a field’s, however they are spelt',
    {
      model,
      engine: {
        args: [
          '--host',
          'x',
          '--port=1',
          '--served_model_name',
          'y',
          '--max-model-len=1',
          '--api-key=hush',
          '-tp',
          '--',
          '-tp4',
        ],
      },
    },
    [
      ['spec.engine.args[0]', '--host is refused: the operator chooses it on the node: set spec.endpoint'],
      ['spec.engine.args[2]', '--port is refused: the operator chooses it on the node: set spec.endpoint'],
      ['spec.engine.args[3]', '--served_model_name is refused: set spec.model.name and spec.model.aliases'],
      ['spec.engine.args[5]', '--max-model-len is refused: set spec.engine.maxModelLen'],
      ['spec.engine.args[6]', '--api-key is refused: everybody can read the job script: set spec.endpoint.apiKeyFrom'],
      ['spec.engine.args[7]', '-tp is refused: set spec.parallelism.tensor'],
      ['spec.engine.args[8]', '-- is refused: ends the options, and the operator writes some behind it'],
    ],
  ],
  [
    'a model among the arguments',
    { model, engine: { args: ['org/other'] } },
    [['spec.engine.args[0]', '"org/other" must be an option: an argument without one is the model']],
  ],
  [
    'faults of the stand-in for vLLM',
    { model, engine: { args: ['--stand-in-crash-after-seconds', '1'] } },
    [['spec.engine.args[0]', '--stand-in-crash-after-seconds is refused: is a fault of the stand-in engine']],
  ],
  ['faults of the stand-in for itself', { model, engine: { type: 'stand-in', args: ['--stand-in-log', 'x'] } }, []],
  [
    'secrets and foreign variables in the environment',
    {
      model: { ...model, cache: { path: '/c', offline: true } },
      engine: {
        env: {
          HF_TOKEN: 'hush',
          SLURM_JOB_ID: '1',
          HF_HOME: '/x',
          HF_HUB_OFFLINE: '0',
          MY_API_KEY: 'x',
          NCCL_DEBUG: 'INFO',
        },
      },
    },
    [
      ['spec.engine.env.HF_TOKEN', 'is refused: everybody can read the job script: set spec.model.tokenFrom'],
      ['spec.engine.env.SLURM_JOB_ID', 'is refused: SLURM sets it'],
      ['spec.engine.env.HF_HOME', 'is refused: spec.model.cache.path sets it'],
      ['spec.engine.env.HF_HUB_OFFLINE', 'is refused: spec.model.cache.offline sets it'],
      ['spec.engine.env.MY_API_KEY', 'is refused: it is named for a secret, and everybody can read the job script'],
    ],
  ],
  [
    'sbatch options that are the operator’s or a field’s, cut short or not',
    { model, slurm: { extraArgs: ['--uid=0', '--wra=id', '--time=1', '--nice=10', '--exclusive', '--mail-type=END'] } },
    [
      ['spec.slurm.extraArgs[0]', '--uid is refused: it would be a job of somebody else'],
      ['spec.slurm.extraArgs[1]', '--wra is refused: stands for --wrap: the operator writes the script'],
      ['spec.slurm.extraArgs[2]', '--time is refused: set spec.slurm.time'],
    ],
  ],
];

describe('reading a spec', () => {
  for (const [title, raw, problems] of cases) it(title, () => assert.deepEqual(problemsOf(raw), problems));

  it('never repeats a value that may be a secret', () => {
    const raw = {
      model,
      engine: { args: ['--api-key=swordfish', '--hf-token=swordfish'], env: { HF_TOKEN: 'swordfish' } },
    };
    const problems = problemsOf(raw);
    assert.equal(problems.length, 3);
    assert.doesNotMatch(JSON.stringify(problems), /swordfish/);
  });
});

describe('engine options', () => {
  const flags = (version: string) =>
    readFileSync(new URL(`../fixtures/launch/serve-flags.${version}.txt`, import.meta.url), 'utf8')
      .split('\n')
      .filter((flag) => /^--[a-z0-9-]*[a-z0-9]$/.test(flag));

  for (const version of ['v0.15.1', 'v0.32.0']) {
    it(`of vLLM ${version} that are not in the table are the user’s, though they begin like one that is`, () => {
      const takenForAnother = flags(version).filter(
        (flag) => whyNoEngineArgument(flag, 'vllm')?.startsWith('stands for') && !flag.startsWith('--no-'),
      );
      assert.deepEqual(takenForAnother, []);
    });
  }

  const spellings = [
    '--trust_remote_code',
    '--no-trust-remote-code',
    '--trust-remote',
    '--trust-remote-code=1',
    '-qfp8',
  ];
  for (const word of spellings)
    it(`${word} is seen through`, () => assert.notEqual(whyNoEngineArgument(word, 'vllm'), undefined));

  const users = [
    '--enforce-eager',
    '--hf-overrides',
    '{"a": 1}',
    '-1',
    '-cc.mode=none',
    '-O3',
    '--quantization-config=x',
  ];
  for (const word of users)
    it(`${word} is the user’s`, () => assert.equal(whyNoEngineArgument(word, 'vllm'), undefined));
});

describe('sbatch options', () => {
  const users = [
    '--nice=10',
    '--exclusive',
    '--extra=x',
    '--network=sn_all',
    '--wckey=a',
    '--container-image=/x.sqsh',
    '--prefer=a',
  ];
  for (const option of users) it(`${option} is the user’s`, () => assert.equal(whyNoSbatchOption(option), undefined));
});
