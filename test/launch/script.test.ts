import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { type LaunchInput, renderScript } from '../../src/launch/script.ts';
import { identity, serveBody } from './compute-node.ts';

/**
 * Specs in, whole scripts out, `serve.sh` behind them left out. The expected ones are
 * `test/fixtures/launch/<name>.sh`; `UPDATE_FIXTURES=1 npm test` writes them anew, for you to read the difference.
 */
const scripts: readonly {
  readonly name: string;
  readonly title: string;
  readonly spec: SpecInput;
  readonly more?: Partial<LaunchInput>;
}[] = [
  { name: 'least', title: 'a model and nothing else', spec: { model: { uri: 'hf://Qwen/Qwen3-8B' } } },
  {
    name: 'everything',
    title: 'every field there is',
    spec: {
      model: {
        uri: 'hf://openai/gpt-oss-120b',
        revision: 'v1.0',
        name: 'gpt-oss',
        aliases: ['default', 'openai/gpt-oss-120b'],
        cache: { path: '/scratch/hf cache', offline: true },
      },
      parallelism: { tensor: 2, pipeline: 2 },
      resources: { gpusPerNode: 4, gpuType: 'h100', cpusPerTask: 32, memoryPerGpu: '64G' },
      slurm: {
        account: 'p_models',
        partitions: ['gpu', 'gpu-long'],
        qos: 'serving',
        time: '2-12:00:00',
        reservation: 'maintenance.1',
        constraint: '[rack1|rack2]&nvme',
        exclude: ['node[001-004]', 'node009'],
        nodelist: ['node010'],
        licenses: 'vllm:1',
        extraArgs: ['--nice=100', '--exclusive'],
      },
      runtime: { type: 'venv', venv: '/opt/venvs/vllm', modules: ['cuda/12.8', 'gcc'] },
      engine: {
        maxModelLen: 65_536,
        gpuMemoryUtilization: 0.92,
        maxNumSeqs: 256,
        dtype: 'bfloat16',
        quantization: 'mxfp4',
        kvCacheDtype: 'fp8',
        seed: 7,
        toolCallParser: 'openai',
        reasoningParser: 'openai_gptoss',
        trustRemoteCode: true,
        args: ['--enforce-eager', '--hf-overrides', '{"rope": {"factor": 4.0}}'],
        env: { VLLM_LOGGING_LEVEL: 'DEBUG', NCCL_SOCKET_IFNAME: '=ib0' },
      },
      endpoint: { portRange: '8100-8199' },
      probes: {
        startup: { timeoutSeconds: 3600 },
        liveness: { periodSeconds: 30, timeoutSeconds: 20, failureThreshold: 4 },
        canary: { periodSeconds: 45, timeoutSeconds: 25 },
      },
    },
    more: { excludedNodes: ['node007', 'node009'] },
  },
  {
    name: 'nodes',
    title: 'two nodes of four GPUs',
    spec: { model: { uri: 'hf://zai-org/GLM-4.7-FP8' }, resources: { nodes: 2, gpusPerNode: 4 } },
  },
  {
    name: 'copies',
    title: 'copies of a mixture of experts on two nodes, with secrets and a fabric of its own',
    spec: {
      model: { uri: 'hf://Qwen/Qwen3-235B-A22B', tokenFrom: { env: 'HF_TOKEN' } },
      parallelism: { data: 4, expert: true },
      resources: { nodes: 2, gpusPerNode: 4 },
      launcher: {
        type: 'native',
        rendezvous: { timeoutSeconds: 120, portRange: '31000-31099' },
        nccl: { socketIfname: '=ib0', blocksize: 1_048_576, ibTimeout: 22, debug: 'INFO' },
      },
      endpoint: { port: 8000, apiKeyFrom: { secretKeyRef: { name: 'vllm', key: 'api-key' } } },
    },
    more: { secretFiles: { hfToken: '/home/ops/secrets/a.token', apiKey: '/home/ops/secrets/a.key' } },
  },
  {
    name: 'image',
    title: 'a container image, with mounts of every kind of name',
    spec: {
      model: { uri: 'file:///shared/models/m', name: 'm', cache: { path: '/scratch/hf cache' } },
      resources: { nodes: 2, gpusPerNode: 4 },
      runtime: {
        type: 'apptainer',
        image: "/shared/images/it's vllm:0.11 $(id).sif",
        mounts: ['/scratch', "/data/a b:/data/$(id)';id;'"],
        modules: ['apptainer/1.4'],
      },
    },
  },
  {
    name: 'site-defaults',
    title: 'what the site says where the spec does not',
    spec: { model: { uri: 'file:///models/tiny-llama' }, resources: { gpusPerNode: 0, memory: '16G' } },
    more: {
      site: {
        logDirectory: '/home/ops/100% logs',
        secretDirectory: '/home/ops/secrets',
        portRange: { low: 20_000, high: 30_000 },
        defaults: { account: 'p_site', partitions: ['main'], qos: 'normal', time: 'UNLIMITED' },
        standInCommand: [],
      },
    },
  },
  {
    name: 'stand-in',
    title: 'the stand-in engine, for a minute',
    spec: {
      model: { uri: 'hf://stand-in/echo', name: 'echo' },
      resources: { gpusPerNode: 2 },
      slurm: { time: '00:01:00' },
      engine: { type: 'stand-in', args: ['--stand-in-startup-seconds=3'] },
      endpoint: { port: 8000 },
    },
  },
  {
    name: 'hostile',
    title: 'text that would like to be program text',
    spec: {
      model: { uri: "file:///models/$(id)`id`';id;'", name: 'model' },
      engine: {
        args: ['--chat-template', "'; rm -rf ~ #", '--note=$(id)\n#SBATCH --comment=evil\nrm -rf ~'],
        env: { A: '$(id)', B: "'\n#SBATCH --uid=0\n'" },
      },
    },
  },
];

const site: LaunchInput['site'] = {
  logDirectory: '/home/ops/logs',
  secretDirectory: '/home/ops/secrets',
  portRange: { low: 20_000, high: 30_000 },
  defaults: { partitions: [] },
  standInCommand: ['/usr/bin/node', '/opt/vllm-slurm/stand-in.js'],
};

const inputOf = ({ spec, more = {} }: (typeof scripts)[number], body: string): LaunchInput => ({
  identity,
  excludedNodes: [],
  site,
  ...more,
  spec: Spec.parse(spec),
  body,
});

describe('the script of an attempt', () => {
  for (const one of scripts) {
    it(`of ${one.title}`, () => {
      const script = renderScript(inputOf(one, ': serve.sh follows\n'));
      const file = fileURLToPath(new URL(`../fixtures/launch/${one.name}.sh`, import.meta.url));
      if (process.env.UPDATE_FIXTURES) writeFileSync(file, script);
      assert.equal(script, readFileSync(file, 'utf8'));
    });

    it(`of ${one.title} is valid bash, and what stands before serve.sh does nothing but assign`, () => {
      execFileSync('bash', ['-n'], { input: renderScript(inputOf(one, serveBody)) });
      const assigned = execFileSync('bash', {
        input: renderScript(inputOf(one, 'set | grep -c ^VSO_\n')),
        encoding: 'utf8',
      });
      assert.equal(assigned, '29\n');
    });
  }

  it('is the same bytes for the same input', () => {
    for (const one of scripts)
      assert.equal(renderScript(inputOf(one, serveBody)), renderScript(inputOf(one, serveBody)));
  });
});

describe('serve.sh', () => {
  it('names at its head every variable it is told, and uses no other of that kind', () => {
    const [one] = scripts;
    assert.ok(one);
    const told = [...renderScript(inputOf(one, '')).matchAll(/^(VSO_\w+)=/gm)].map(([, name]) => name);
    const used = new Set([...serveBody.replace(/^#.*$/gm, '').matchAll(/\bVSO_\w+/g)].map(([name]) => name));
    assert.deepEqual([...used].sort(), [...told].sort());
  });

  const shellcheck = spawnSync('shellcheck', ['--version']).error === undefined;
  it('pleases shellcheck', { skip: shellcheck ? false : 'shellcheck is not installed' }, () => {
    const { stdout, status } = spawnSync('shellcheck', ['-s', 'bash', '-'], { input: serveBody, encoding: 'utf8' });
    assert.deepEqual({ stdout, status }, { stdout: '', status: 0 });
  });
});
