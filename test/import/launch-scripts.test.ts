import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { importText, jobsOf, leftOf, settingsOf, specOf, specsOf, warningsOf } from './imported.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/import/launch-scripts/${name}`, import.meta.url), 'utf8');
const CONFIG = fixture('config.yaml');
const SCRIPTS = Object.fromEntries(
  ['jobs/llama4_maverick_2nodes_8gpus.sh', 'jobs/gpt_oss_20b_1node_1gpu.sh'].map((name) => [name, fixture(name)]),
);

describe('a config file of launch scripts', () => {
  it('becomes jobs that carry every setting of its ten sections', () => {
    const imported = importText(CONFIG);
    assert.deepEqual(jobsOf(imported), {
      'llama-4-maverick': fixture('llama-4-maverick.job.sh'),
      'gpt-oss-20b': fixture('gpt-oss-20b.job.sh'),
    });
    assert.deepEqual(settingsOf(imported), {
      directory: 'deployments',
      logDirectory: '/home/ada/scripts/logs',
      defaults: { account: 'p_scads_pathology', time: '12:00:00', partitions: ['capella'] },
    });
    assert.deepEqual(leftOf(imported), [
      'config.yaml:37: cache.huggingface_cache: it is empty, which left it to a default',
      'config.yaml:13: models.llama-4-maverick.vision: vLLM finds out from the model itself what it can see',
      'config.yaml:8: models.llama-4-maverick.job_script: the operator writes the script itself; this one is not at hand to be read',
      'config.yaml:24: models.gpt-oss-20b.vision: vLLM finds out from the model itself what it can see',
      'config.yaml:19: models.gpt-oss-20b.job_script: the operator writes the script itself; this one is not at hand to be read',
    ]);
    assert.deepEqual(warningsOf(imported), [
      'config.yaml:8: jobs/llama4_maverick_2nodes_8gpus.sh is not at hand: what only it says (parsers, tool choice, multimodal flags, lengths) is not imported',
      'config.yaml:19: jobs/gpt_oss_20b_1node_1gpu.sh is not at hand: what only it says (parsers, tool choice, multimodal flags, lengths) is not imported',
    ]);
  });

  it('is read together with its job scripts, whose flags count, and no secret of theirs is told', () => {
    const imported = importText(CONFIG, { scripts: SCRIPTS });
    assert.deepEqual(jobsOf(imported), {
      'llama-4-maverick': fixture('llama-4-maverick.with-script.job.sh'),
      'gpt-oss-20b': fixture('gpt-oss-20b.with-script.job.sh'),
    });
    assert.doesNotMatch(JSON.stringify(imported), /not.to.be.seen/);
  });

  it('has its active model run and suspends the others, unless told otherwise', () => {
    const suspended = (options: Parameters<typeof importText>[1], text = CONFIG) =>
      importText(text, options).deployments.map(({ name, isSuspended }) => [name, isSuspended]);
    assert.deepEqual(suspended({}), [
      ['llama-4-maverick', false],
      ['gpt-oss-20b', true],
    ]);
    assert.deepEqual(suspended({ all: true }), [
      ['llama-4-maverick', false],
      ['gpt-oss-20b', false],
    ]);
    assert.deepEqual(suspended({ models: ['gpt-oss-20b'] }), [['gpt-oss-20b', false]]);
    const unsaid = CONFIG.replace(/^active_model.*$/m, '');
    assert.deepEqual(suspended({}, unsaid), [
      ['llama-4-maverick', true],
      ['gpt-oss-20b', true],
    ]);
    assert.match(
      warningsOf(importText(unsaid))[0] ?? '',
      /^config\.yaml:1: nothing says which of the 2 models is to run/,
    );
    assert.equal((specsOf(importText(CONFIG))['gpt-oss-20b'] as { suspend?: boolean }).suspend, true);
  });

  it('gives deployments names that Kubernetes takes, each once', () => {
    const models = ['GLM-4.6V_FP8', 'glm 4.6v fp8', '-', 'x'.repeat(80)];
    const text = `models:\n${models.map((name) => `  "${name}": { huggingface_id: a/b }`).join('\n')}\n`;
    assert.deepEqual(
      importText(text, { all: true }).deployments.map(({ name, model }) => [name, model]),
      [
        ['glm-4-6v-fp8', models[0]],
        ['glm-4-6v-fp8-2', models[1]],
        ['model', models[2]],
        ['x'.repeat(58), models[3]],
      ],
    );
  });
});

const LEAST = 'models: { m: { huggingface_id: a/b } }\n';
const uri = 'hf://a/b';

/** What stands beside the least there is, and what comes of it. */
const sections: readonly [title: string, text: string, spec: object, left: readonly string[]][] = [
  [
    'empty values are defaults',
    'nccl: { socket_ifname: "" }\ncache:\nslurm: {}',
    { model: { uri } },
    [
      'nccl.socket_ifname: it is empty, which left it to a default',
      'cache: it is empty, which left it to a default',
      'slurm: it is empty, which left it to a default',
    ],
  ],
  [
    '~ and variables of the user are filled in',
    'cache: { huggingface_cache: ~/hf, xdg_cache_home: /x/$USER/y }',
    {
      model: { uri, cache: { path: '/home/ada/hf' } },
      engine: { env: { XDG_CACHE_HOME: '/x/ada/y' } },
    },
    [],
  ],
  [
    'other variables are not guessed',
    'cache: { huggingface_cache: $SCRATCH/hf }',
    { model: { uri } },
    ["cache.huggingface_cache: it names $SCRATCH, which only a job's own shell knows"],
  ],
  [
    'sbatch options without a field go to extraArgs, those of the operator are refused',
    'slurm: { mail_user: a@b.c, exclusive: "", gres: "gpu:1", nice: 5, job_name: x }',
    {
      model: { uri },
      slurm: { extraArgs: ['--mail-user=a@b.c', '--nice=5'] },
    },
    [
      'slurm.exclusive: it is empty, which left it to a default',
      'slurm.gres: set spec.resources.gpusPerNode and spec.resources.gpuType',
      'slurm.job_name: the operator knows its jobs and their logs by it',
    ],
  ],
  [
    'flags of vLLM without a field go to args',
    'vllm: { enforce_eager: true, enable_prefix_caching: false, limit_mm_per_prompt: { image: 4 }, block_size: 16, trust_remote_code: true, host: 0.0.0.0 }',
    {
      model: { uri },
      engine: {
        trustRemoteCode: true,
        args: [
          '--enforce-eager',
          '--no-enable-prefix-caching',
          '--limit-mm-per-prompt',
          '{"image":4}',
          '--block-size',
          '16',
        ],
      },
    },
    ['vllm.host: the endpoint listens at the address SLURM has for its node'],
  ],
  [
    'free text for the command line of vLLM is read as a shell would, each flag for its field',
    `vllm: { seed: 1, extra_args: "stray --max-num-seqs 8 --enforce-eager --hf-overrides '{\\"a\\": 1}' -q fp8 --host ::1 --api-key x $EXTRA" }`,
    {
      model: { uri },
      engine: { maxNumSeqs: 8, quantization: 'fp8', seed: 1, args: ['--enforce-eager', '--hf-overrides', '{"a": 1}'] },
    },
    [
      'vllm.extra_args --host: the endpoint listens at the address SLURM has for its node',
      'vllm.extra_args --api-key: everybody can read the job script: set spec.endpoint.apiKeyFrom',
      'vllm.extra_args $EXTRA: what it is comes out only when the script runs',
      'vllm.extra_args stray: it is no option, and no option takes it',
    ],
  ],
  [
    'so is a list of words or of flags with their values, and what a shell would take for a second command is not',
    `vllm: { extra_flags: [--block-size 16, --limit-mm-per-prompt, '{"image": 4}', --seed, 7], additional_args: "--x; rm y" }`,
    {
      model: { uri },
      engine: { seed: 7, args: ['--block-size', '16', '--limit-mm-per-prompt', '{"image": 4}'] },
    },
    ['vllm.additional_args: it is more than the words of one command line'],
  ],
  [
    'further variables of NCCL go to env, and InfiniBand is not forced off',
    'nccl: { ib_hca: mlx5, p2p_disable: true, ib_disable: 1, debug: ERROR }',
    {
      model: { uri },
      engine: { env: { NCCL_IB_HCA: 'mlx5', NCCL_P2P_DISABLE: '1' } },
    },
    [
      'nccl.ib_disable: InfiniBand is never forced off, as ranks crawl without it',
      'nccl.debug: NCCL has no level ERROR (it has VERSION, WARN, INFO and TRACE)',
    ],
  ],
  [
    'what a field has no room for is listed with the reason',
    'distributed: { rdzv_timeout: 5, master_port_base: 500 }\nvllm: { gpu_memory_utilization: 1.5 }',
    { model: { uri } },
    [
      'vllm.gpu_memory_utilization: spec.engine.gpuMemoryUtilization must be at most 1, not 1.5',
      'distributed.rdzv_timeout: spec.launcher.rendezvous.timeoutSeconds must be at least 10, not 5',
      'distributed.master_port_base: spec.launcher.rendezvous.portRange must be LOW-HIGH, such as 20000-30000',
    ],
  ],
  [
    'numbers that are names keep their zeros',
    'slurm: { reservation: 0123 }\nvllm: { x: 0.90, y: [1, 2] }',
    {
      model: { uri },
      slurm: { reservation: '0123' },
      engine: { args: ['--x', '0.90', '--y', '1', '2'] },
    },
    [],
  ],
  ['a precision is no quantization', 'quantization: bf16', { model: { uri }, engine: { dtype: 'bfloat16' } }, []],
  [
    'sections and keys nobody knows are listed',
    'loging: { level: INFO }\npaths: { data: { raw: /x } }',
    { model: { uri } },
    [
      'loging.level: there is no such section. Did you mean "logging"?',
      'paths.data.raw: the operator has paths of its own, and needs no such one',
    ],
  ],
  [
    'anchors and merged maps are read where they stand',
    'base: &base { max_num_seqs: 4 }\nvllm: { <<: *base, seed: 1 }',
    {
      model: { uri },
      engine: { maxNumSeqs: 4, seed: 1 },
    },
    ['base.max_num_seqs: there is no such section.'],
  ],
];

describe('a section of it', () => {
  for (const [title, text, spec, left] of sections) {
    it(title, () => {
      const imported = importText(`${LEAST}${text}\n`);
      assert.deepEqual(specOf(imported), spec);
      assert.deepEqual(
        leftOf(imported)
          .map((line) => line.replace(/^config\.yaml:\d+: /, ''))
          .sort(),
        [...left].sort(),
      );
    });
  }
});
