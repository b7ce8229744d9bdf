import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importText, leftOf, problemsOf, specOf, specsOf, warningsOf } from './imported.ts';

const MODELS = `models:
  Mixtral-8x22B-Instruct-v0.1:
    model_family: Mixtral
    model_variant: 8x22B-Instruct-v0.1
    model_type: LLM
    gpus_per_node: 4
    num_nodes: 2
    vocab_size: 32768
    time: 08:00:00
    resource_type: l40s
    vllm_args:
      --pipeline-parallel-size: 2
      --tensor-parallel-size: 4
      --max-model-len: 65536
      --enforce-eager: true
      --limit-mm-per-prompt: { image: 4 }
      --api-key: not-to-be-seen
  bge-base-en-v1.5:
    model_family: bge
    model_type: Text_Embedding
    hf_model: BAAI/bge-base-en-v1.5
    gpus_per_node: 1
    num_nodes: 1
    vocab_size: 30522
    mem_per_node: 32G
    cpus_per_task: 8
    partition: gpu
    qos: normal
    venv: apptainer
    env: { VLLM_USE_V1: 1 }
`;

describe('a models.yaml of vec-inf', () => {
  it('becomes a deployment an entry, suspended as long as nobody says which is to run', () => {
    const imported = importText(MODELS, { file: 'models.yaml' });
    assert.deepEqual(specsOf(imported), {
      'mixtral-8x22b-instruct-v0-1': {
        model: {
          uri: 'file:///model-weights/Mixtral-8x22B-Instruct-v0.1',
          name: 'Mixtral-8x22B-Instruct-v0.1',
        },
        parallelism: { tensor: 4, pipeline: 2 },
        resources: { nodes: 2, gpusPerNode: 4, gpuType: 'l40s' },
        slurm: { time: '08:00:00' },
        engine: { maxModelLen: 65_536, args: ['--enforce-eager', '--limit-mm-per-prompt', '{"image":4}'] },
        suspend: true,
      },
      'bge-base-en-v1-5': {
        model: { uri: 'hf://BAAI/bge-base-en-v1.5', name: 'bge-base-en-v1.5', aliases: ['BAAI/bge-base-en-v1.5'] },
        resources: { nodes: 1, gpusPerNode: 1, cpusPerTask: 8, memory: '32G' },
        slurm: { partitions: ['gpu'], qos: 'normal' },
        engine: { env: { VLLM_USE_V1: '1' } },
        suspend: true,
      },
    });
    assert.deepEqual(
      leftOf(imported).map((line) => line.replace(/^models\.yaml:\d+: models\./, '')),
      [
        'Mixtral-8x22B-Instruct-v0.1.model_family: it is for people, and says nothing to SLURM or vLLM',
        'Mixtral-8x22B-Instruct-v0.1.model_variant: it is for people, and says nothing to SLURM or vLLM',
        'Mixtral-8x22B-Instruct-v0.1.model_type: vLLM finds out from the model itself what it is',
        'Mixtral-8x22B-Instruct-v0.1.vocab_size: it is for people, and says nothing to SLURM or vLLM',
        'Mixtral-8x22B-Instruct-v0.1.vllm_args.--api-key: everybody can read the job script: set spec.endpoint.apiKeyFrom',
        'bge-base-en-v1.5.model_family: it is for people, and says nothing to SLURM or vLLM',
        'bge-base-en-v1.5.model_type: vLLM finds out from the model itself what it is',
        'bge-base-en-v1.5.vocab_size: it is for people, and says nothing to SLURM or vLLM',
        'bge-base-en-v1.5.venv: name what the engine runs in: for a container spec.runtime.type, spec.runtime.image and spec.runtime.mounts',
      ],
    );
    assert.deepEqual(warningsOf(imported), [
      'models.yaml:1: nothing says which of the 2 models is to run, so all are written with spec.suspend: true; --all has all of them run, --model NAME one',
      'models.yaml:2: models.Mixtral-8x22B-Instruct-v0.1 says nothing of where its weights are: taken for /model-weights/Mixtral-8x22B-Instruct-v0.1, as vec-inf does by default',
      'models.yaml:20: models.bge-base-en-v1.5.model_type is Text_Embedding: an endpoint is Ready when it has answered a completion, which such a model does not',
    ]);
    assert.doesNotMatch(JSON.stringify(imported), /not-to-be-seen/);
  });

  it('is read for the one entry that is asked for', () => {
    const imported = importText(MODELS, { models: ['bge-base-en-v1.5'] });
    assert.deepEqual(Object.keys(specsOf(imported)), ['bge-base-en-v1-5']);
    assert.equal((specOf(imported) as { suspend?: boolean }).suspend, undefined);
  });

  it('may be an entry alone, with weights in a directory of the site', () => {
    const entry = 'Qwen3-8B: { model_family: Qwen3, gpus_per_node: 1, num_nodes: 1, model_weights_parent_dir: /w/ }\n';
    assert.deepEqual(specOf(importText(entry)), {
      model: { uri: 'file:///w/Qwen3-8B', name: 'Qwen3-8B' },
      resources: { nodes: 1, gpusPerNode: 1 },
    });
  });

  it('with a wrong type is refused with the line', () => {
    assert.deepEqual(problemsOf(importText('models:\n  m:\n    model_family: a\n    num_nodes: two\n')), [
      'config.yaml:4: models.m.num_nodes must be a whole number, not "two"',
    ]);
  });
});
