import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importText, jobsOf, leftOf, problemsOf, specOf, warningsOf } from './imported.ts';

const SCRIPT = `#!/bin/bash
#SBATCH -J qwen -p gpu,long -A ml
#SBATCH --nodes=1
#SBATCH --gpus-per-node=a100:2
#SBATCH --cpus-per-task=16 --mem 120GB
#SBATCH -t 0-08:00
#SBATCH --mail-type=FAIL
#SBATCH --blub
module purge
module load gcc/13 CUDA/12.8
source ~/venvs/vllm/bin/activate
export HF_HOME=/scratch/hf HF_HUB_OFFLINE=1
export OMP_NUM_THREADS=8
export VLLM_API_KEY=sk-not-to-be-seen
export CUDA_VISIBLE_DEVICES=0,1

vllm serve Qwen/Qwen3-32B \\
    --served-model-name qwen qwen3 \\
    --tensor-parallel-size=2 --max_model_len 32k \\
    --host 0.0.0.0 --port 8000 \\
    --reasoning-parser qwen3 --enable-auto-tool-choice --tool-call-parser hermes \\
    --hf-overrides '{"rope_scaling": {"factor": 4.0}}' \\
    --no-enable-prefix-caching --disable-log-requests $EXTRA_ARGS
`;

describe('a batch script alone', () => {
  it('becomes a deployment of its name, with everything it says', () => {
    const imported = importText(SCRIPT, { file: 'qwen.sbatch' });
    assert.deepEqual(imported.deployments, [
      { name: 'qwen', model: 'qwen', path: 'deployments/qwen.yaml', isSuspended: false },
    ]);
    assert.deepEqual(specOf(imported), {
      model: {
        uri: 'hf://Qwen/Qwen3-32B',
        name: 'qwen',
        aliases: ['qwen3', 'Qwen/Qwen3-32B'],
        cache: { path: '/scratch/hf', offline: true },
      },
      parallelism: { tensor: 2 },
      resources: { nodes: 1, gpusPerNode: 2, gpuType: 'a100', cpusPerTask: 16, memory: '120G' },
      slurm: { account: 'ml', partitions: ['gpu', 'long'], time: '0-08:00', extraArgs: ['--mail-type=FAIL'] },
      runtime: { type: 'venv', venv: '/home/ada/venvs/vllm', modules: ['gcc/13', 'CUDA/12.8'] },
      engine: {
        maxModelLen: 32_000,
        toolCallParser: 'hermes',
        reasoningParser: 'qwen3',
        args: ['--hf-overrides', '{"rope_scaling": {"factor": 4.0}}', '--no-enable-prefix-caching'],
        env: { OMP_NUM_THREADS: '8' },
      },
      endpoint: { port: 8000 },
    });
    assert.deepEqual(leftOf(imported), [
      'qwen.sbatch:2: #SBATCH --job-name: the operator knows its jobs and their logs by it',
      "qwen.sbatch:8: #SBATCH: sbatch would not take it: unrecognized option '--blub'",
      'qwen.sbatch:9: module purge: it takes modules away, and a job begins without any',
      'qwen.sbatch:14: export VLLM_API_KEY: everybody can read the job script: set spec.endpoint.apiKeyFrom',
      'qwen.sbatch:15: export CUDA_VISIBLE_DEVICES: SLURM gives the job its GPUs: spec.resources.gpusPerNode',
      'qwen.sbatch:20: --host: the endpoint listens at the address SLURM has for its node',
      'qwen.sbatch:23: --disable-log-requests: vLLM after 0.15 refuses it, and logs no requests unless it is asked to',
      'qwen.sbatch:23: $EXTRA_ARGS: what it is comes out only when the script runs',
    ]);
    assert.doesNotMatch(JSON.stringify(imported), /not-to-be-seen/);
    assert.match(jobsOf(imported).qwen ?? '', /^#SBATCH --gres=gpu:a100:2$/m);
  });

  const starts: readonly [line: string, spec: object][] = [
    ['python -m vllm.entrypoints.openai.api_server --model a/b --seed 1', { engine: { seed: 1 } }],
    ['exec /opt/venv/bin/vllm serve a/b', {}],
    ['env NCCL_DEBUG=INFO vllm serve a/b', { launcher: { nccl: { debug: 'INFO' } } }],
    ['NCCL_DEBUG=INFO vllm serve a/b &', { launcher: { nccl: { debug: 'INFO' } } }],
    ['srun --ntasks=1 bash -c "export X=1; vllm serve a/b --seed 2 > log"', { engine: { seed: 2, env: { X: '1' } } }],
    ['vllm serve a/b --served-model-name a/b x', { model: { uri: 'hf://a/b', name: 'a/b', aliases: ['x'] } }],
    ['vllm serve --seed=1 a/b --block-size=16', { engine: { seed: 1, args: ['--block-size', '16'] } }],
    ['M=a/b; vllm serve "$M" -q fp8', { engine: { quantization: 'fp8' } }],
    ['vllm serve --enforce-eager --seed 3 a/b', { engine: { seed: 3, args: ['--enforce-eager'] } }],
    ['vllm serve --trust-remote-code a/b', { engine: { trustRemoteCode: true } }],
    ['#SBATCH --gpus=8 -N2\nvllm serve a/b', { resources: { nodes: 2, gpusPerNode: 4 } }],
    ['#SBATCH --gres=gpu\nvllm serve a/b', { resources: { gpusPerNode: 1 } }],
  ];
  for (const [line, spec] of starts) {
    it(`is understood when it starts vLLM by: ${line.replaceAll('\n', ' ⏎ ')}`, () => {
      assert.deepEqual(specOf(importText(`#!/bin/bash\n${line}\n`, { file: 's.sh' })), {
        model: { uri: 'hf://a/b' },
        ...spec,
      });
    });
  }

  it('of a local model takes the path', () => {
    for (const path of ['~/models/llama/', '$HOME/models/llama', '/home/ada/models/llama'])
      assert.deepEqual(specOf(importText(`#!/bin/bash\nvllm serve ${path}\n`, { file: 's.sh' })), {
        model: { uri: 'file:///home/ada/models/llama' },
      });
  });

  const missing: readonly [line: string, problem: string][] = [
    [
      'vllm serve ./llama',
      's.sh:2: vllm serve MODEL: must be ORG/REPO on the Hugging Face hub, or an absolute path, not "./llama"',
    ],
    ['vllm serve --model "$MODEL"', 's.sh:2: --model: what it is comes out only when the script runs'],
    ['vllm serve', 's.sh:1: the script does not say which model to serve, as ORG/REPO or an absolute path'],
  ];
  for (const [line, problem] of missing) {
    it(`without a model to be had is refused: ${line}`, () =>
      assert.deepEqual(problemsOf(importText(`#!/bin/bash\n${line}\n`, { file: 's.sh' })), [problem]));
  }

  it('lists words that belong to no option', () => {
    const imported = importText('#!/bin/bash\nvllm serve a/b c --seed 1 2 --block-size=16 $FOO\n', { file: 's.sh' });
    assert.deepEqual(leftOf(imported), [
      's.sh:2: c: it is no option, and no option takes it',
      's.sh:2: 2: it is no option, and no option takes it',
      's.sh:2: $FOO: what it is comes out only when the script runs',
    ]);
  });

  it('that starts vLLM twice is imported by the first, and says so', () => {
    const imported = importText('#!/bin/bash\nif x; then\nvllm serve a/b\nelse\nvllm serve c/d\nfi\n', {
      file: 's.sh',
    });
    assert.deepEqual(warningsOf(imported), ['s.sh:3, s.sh:5: starts vLLM more than once: only the first is imported']);
    assert.deepEqual(specOf(imported), { model: { uri: 'hf://a/b' } });
  });
});
