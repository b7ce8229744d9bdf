import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importText, specOf, warningsOf } from './imported.ts';

type Case = {
  readonly title: string;
  /** Lines of the only model, from line 3 on. */
  readonly model?: readonly string[];
  readonly sections?: string;
  /** Lines of its script, behind `#!/bin/bash`. */
  readonly script?: readonly string[];
  readonly warnings: readonly string[];
  /** Of the spec, beside the model. */
  readonly spec: object;
};

const serve = 'vllm serve a/b';

const cases: readonly Case[] = [
  {
    title: 'GPUs that do not divide by nodes: each node is given enough',
    model: ['gpus: 7', 'nodes: 2'],
    warnings: [
      'config.yaml:4, config.yaml:5: models.m.gpus 7 does not divide by models.m.nodes 2: written as 4 GPUs a node, 8 in all',
    ],
    spec: { resources: { nodes: 2, gpusPerNode: 4 } },
  },
  {
    title: 'nodes and GPUs of script and config: the script is what ran',
    model: ['gpus: 8', 'nodes: 2'],
    script: ['#SBATCH --nodes=1 --gres=gpu:h100:8', serve],
    warnings: [
      's.sh:2, config.yaml:4: #SBATCH --gres is 8 and models.m.gpus is 4: the script counts, as it is what ran',
      's.sh:2, config.yaml:5: #SBATCH --nodes is 1 and models.m.nodes is 2: the script counts, as it is what ran',
    ],
    spec: { resources: { nodes: 1, gpusPerNode: 8, gpuType: 'h100' } },
  },
  {
    title: 'what is handed to sbatch beats the lines of the script',
    model: ['time: "24:00:00"', 'partition: long'],
    sections: 'slurm: { account: ours }',
    script: ['#SBATCH -t 12:00:00 -p short', '#SBATCH --account=theirs', serve],
    warnings: [
      'config.yaml:7, s.sh:3: slurm.account is ours and #SBATCH --account is theirs: the config counts, as it was handed to sbatch, where it beats the script',
      'config.yaml:4, s.sh:2: models.m.time is 24:00:00 and #SBATCH --time is 12:00:00: the config counts, as it was handed to sbatch, where it beats the script',
      'config.yaml:5, s.sh:2: models.m.partition is long and #SBATCH --partition is short: the config counts, as it was handed to sbatch, where it beats the script',
    ],
    spec: { slurm: { partitions: ['long'], time: '24:00:00' } },
  },
  {
    title: 'another model in the script',
    script: ['vllm serve a/b-FP8'],
    warnings: [
      's.sh:2, config.yaml:3: vllm serve MODEL is hf://a/b-FP8 and models.m.huggingface_id is hf://a/b: the script counts, as it is what ran',
    ],
    spec: { model: { uri: 'hf://a/b-FP8' } },
  },
  {
    title: 'memory of a node and of a GPU exclude each other',
    sections: 'slurm: { mem_per_gpu: 64G }',
    script: ['#SBATCH --mem=500G', serve],
    warnings: [
      's.sh:2, config.yaml:5: #SBATCH --mem is 500G and slurm.mem_per_gpu is 64G: the script counts, as it is what ran',
    ],
    spec: { resources: { memory: '500G' } },
  },
  {
    title: 'a quantization the script does not pass',
    model: ['quantization: fp8'],
    script: [serve],
    warnings: [
      'config.yaml:4, s.sh:2: models.m.quantization is fp8, but the script passes no --quantization: left out, as it is what ran',
    ],
    spec: {},
  },
  {
    title: 'an interface of the script and of the section',
    sections: 'nccl: { socket_ifname: ib0 }',
    script: ['export NCCL_SOCKET_IFNAME=eth0', serve],
    warnings: [
      's.sh:2, config.yaml:5: export NCCL_SOCKET_IFNAME is eth0 and nccl.socket_ifname is ib0: the script counts, as it is what ran',
    ],
    spec: { launcher: { nccl: { socketIfname: 'eth0' } } },
  },
  {
    title: 'none: a default is there to be overridden, a fallback too, and the same said twice is no contradiction',
    model: ['port: 8001', 'time: "1:00:00"'],
    sections: 'vllm: { max_model_len_default: 32768, max_num_seqs: 16 }\nslurm: { time_default: "2:00:00" }',
    script: [
      '#SBATCH --time=1:00:00',
      'PORT=' + '$' + '{PORT:-9000}',
      `${serve} --max-model-len 131072 --port $PORT --max-num-seqs 16`,
    ],
    warnings: [],
    spec: { slurm: { time: '1:00:00' }, engine: { maxModelLen: 131_072, maxNumSeqs: 16 }, endpoint: { port: 8001 } },
  },
  {
    title: 'an option said twice in a script: the last counts, as for sbatch',
    script: ['#SBATCH --nodes=4', '#SBATCH --nodes=2', `${serve} --seed 1 --seed 2`],
    warnings: ['s.sh:4, s.sh:4: --seed is 2 and --seed is 1: the later one counts'],
    spec: { resources: { nodes: 2 }, engine: { seed: 2 } },
  },
  {
    title: 'tensor parallelism over nodes is carried, and said to be slow',
    model: ['gpus: 8', 'nodes: 2'],
    script: [`${serve} -tp 8`],
    warnings: [
      's.sh:2: tensor parallelism 8 reaches over nodes of 4 GPUs, which is slow without InfiniBand: without it each node would be a stage of the pipeline',
    ],
    spec: { parallelism: { tensor: 8 }, resources: { nodes: 2, gpusPerNode: 4 } },
  },
  {
    title: 'several tasks a node become one with their CPUs',
    script: ['#SBATCH --ntasks-per-node=4 --cpus-per-task=8', serve],
    warnings: ['s.sh:2, s.sh:2: each node has one task here: 4 tasks of 8 CPUs are written as one of 32'],
    spec: { resources: { cpusPerTask: 32 } },
  },
  {
    title: 'an environment that is taken from whoever submits',
    sections: 'paths: { venv_dir: "" }',
    warnings: [
      'config.yaml:4: paths.venv_dir is empty: vllm must be on PATH of the compute nodes, or spec.runtime must name a virtual environment',
    ],
    spec: {},
  },
];

describe('what contradicts itself is told with both places:', () => {
  for (const { title, model = [], sections = '', script, warnings, spec } of cases) {
    it(title, () => {
      const lines = ['huggingface_id: a/b', ...model, ...(script ? ['job_script: s.sh'] : [])];
      const text = ['models:', '  m:', ...lines.map((line) => `    ${line}`), sections, ''].join('\n');
      const scripts = script && { 's.sh': ['#!/bin/bash', ...script, ''].join('\n') };
      const imported = importText(text, scripts && { scripts });
      assert.deepEqual([...warningsOf(imported)].sort(), [...warnings].sort());
      assert.deepEqual(specOf(imported), { model: { uri: 'hf://a/b' }, ...spec });
    });
  }

  it('a port of two models', () => {
    const imported = importText(
      'models:\n  a: { huggingface_id: o/a, port: 8000 }\n  b: { huggingface_id: o/b, port: 8000 }\n  c: { huggingface_id: o/c, port: 8001 }\n',
      { all: true },
    );
    assert.deepEqual(warningsOf(imported), [
      'config.yaml:2, config.yaml:3: port 8000 is that of a and b: on one node only one of them can have it. Without spec.endpoint.port each job takes a free one',
    ]);
  });
});
