import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { carriedOf, importText, problemsOf, readBack, settingsOf, specsOf } from './imported.ts';

/** Any config of the scripts' shape: each key may be missing, each value is one the scripts could work with. */

const word = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,12}$/);
const time = fc.constantFrom('12:00:00', '24:00:00', '1-00:00:00', '90', 'UNLIMITED');
const path = fc.stringMatching(/^\/[a-z][a-z0-9/_-]{0,20}[a-z]$/);
const orEmpty = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: value }, fc.constant(''));
/** A key no rule knows, with whatever YAML can hold. */
const stranger = fc.dictionary(
  fc.stringMatching(/^zz_[a-z_]{1,10}$/),
  fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(word, { maxLength: 3 }),
    fc.dictionary(word, word, { maxKeys: 2 }),
    fc.array(fc.dictionary(word, word, { maxKeys: 1 }), { maxLength: 2 }),
  ),
  { maxKeys: 2 },
);

/** More of the command line of vLLM, as text or in words. */
const freeText = fc
  .shuffledSubarray(['--seed 3', '--block-size=16', '--enforce-eager', '--host ::', '-z 2', '$EXTRA', "--x '{}'", ';'])
  .chain((words) => fc.constantFrom<unknown>(words, words.join(' ')));

const part = <T extends Record<string, fc.Arbitrary<unknown>>>(keys: T) =>
  fc
    .tuple(fc.record(keys, { requiredKeys: [] }), stranger)
    .map(([known, unknown]) => ({ ...known, ...unknown }) as Record<string, unknown>);

const model = fc
  .tuple(
    fc.record({ huggingface_id: fc.tuple(word, word).map((names) => names.join('/')) }),
    part({
      name: fc.oneof(fc.constant('one'), word, fc.string()),
      job_script: fc.constantFrom('jobs/missing.sh', 'jobs/there.sh'),
      port: fc.oneof(fc.constantFrom(80, 8001), fc.integer({ min: 1, max: 70_000 })),
      gpus: fc.integer({ min: 0, max: 80 }),
      nodes: fc.integer({ min: 1, max: 80 }),
      quantization: fc.constantFrom('fp8', 'mxfp4', 'bf16', 'none', ''),
      vision: fc.boolean(),
      time,
      partition: word,
      max_model_len: fc.integer({ min: 1, max: 1_000_000 }),
      tool_call_parser: word,
      extra_args: freeText,
    }),
  )
  .map(([needed, more]) => ({ ...needed, ...more }));

const config = fc
  .tuple(
    fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,20}$/), model, { minKeys: 1, maxKeys: 3 }),
    fc.record(
      {
        slurm: part({
          partition: orEmpty(word),
          account: word,
          time_default: time,
          cpus_per_task: fc.integer({ min: 1, max: 5000 }),
          mem_per_gpu: fc.constantFrom('64G', '64GB', '1T'),
          qos: word,
          mail_user: word,
        }),
        cache: part({
          xdg_cache_home: orEmpty(path),
          triton_cache_dir: orEmpty(path),
          huggingface_cache: orEmpty(path),
        }),
        paths: part({ venv_dir: orEmpty(path), log_dir: path }),
        vllm: part({
          gpu_memory_utilization: fc.double({ min: 0.001, max: 1, noNaN: true }),
          max_model_len_default: fc.integer({ min: 1, max: 1_000_000 }),
          max_num_seqs: fc.integer({ min: 0, max: 5000 }),
          dtype: fc.constantFrom('auto', 'bfloat16', 'float16', 'fp8'),
          seed: fc.integer({ min: 0, max: 1000 }),
          enforce_eager: fc.boolean(),
          extra_args: freeText,
        }),
        distributed: part({
          rdzv_backend: fc.constantFrom('c10d', 'etcd'),
          rdzv_timeout: fc.integer({ min: 1, max: 9000 }),
          master_port_base: fc.integer({ min: 1, max: 66_000 }),
        }),
        nccl: part({
          socket_ifname: orEmpty(fc.constantFrom('ib0', 'eth0')),
          blocksize: fc.integer({ min: 1, max: 2 ** 31 }),
          ib_timeout: fc.integer({ min: 0, max: 40 }),
          debug: fc.constantFrom('WARN', 'INFO', 'TRACE', 'ERROR'),
          ib_hca: word,
        }),
        quantization: part({ kv_cache_dtype: fc.constantFrom('auto', 'fp8') }),
        logging: part({ log_dir: path, level: fc.constantFrom('INFO', 'debug', 'WARN') }),
        zz_section: stranger,
      },
      { requiredKeys: [] },
    ),
    fc.boolean(),
  )
  .map(([models, sections, hasActive]) => ({
    ...(hasActive && { active_model: Object.keys(models)[0] }),
    models,
    ...sections,
  }));

/** What a script may say, and by which key it must be told again. */
const LINES = {
  directives: [
    ['#SBATCH --nodes=2', '#SBATCH --nodes'],
    ['#SBATCH -N 1', '#SBATCH --nodes'],
    ['#SBATCH --gres=gpu:a100:2', '#SBATCH --gres'],
    ['#SBATCH --gres=gpu:1,tmpfs:1', '#SBATCH --gres'],
    ['#SBATCH --time=12:00:00', '#SBATCH --time'],
    ['#SBATCH --partition=short', '#SBATCH --partition'],
    ['#SBATCH --mem=64G', '#SBATCH --mem'],
    ['#SBATCH --mail-type=ALL', '#SBATCH --mail-type'],
    ['#SBATCH --exclusive', '#SBATCH --exclusive'],
    ['#SBATCH --job-name=x', '#SBATCH --job-name'],
    ['#SBATCH --nonsense', '#SBATCH'],
  ],
  variables: [
    ['export NCCL_SOCKET_IFNAME=ib0', 'export NCCL_SOCKET_IFNAME'],
    ['export HF_HOME=/scratch/hf', 'export HF_HOME'],
    ['export HF_TOKEN=hf_x', 'export HF_TOKEN'],
    ['export TMPDIR', 'export TMPDIR'],
    ['export $(cat .env)', 'export $(cat .env)'],
    ['module load cuda', 'module load'],
    ['source /v/bin/activate', 'source /v/bin/activate'],
    ['. ./site.sh', 'source ./site.sh'],
  ],
  flags: [
    ['--port 8001', '--port'],
    ['--port 80', '--port'],
    ['--max-num-seqs 16', '--max-num-seqs'],
    ['--max-model-len=32k', '--max-model-len'],
    ['--seed x', '--seed'],
    ['--quantization fp8', '--quantization'],
    ['--enforce-eager', '--enforce-eager'],
    ['--tool-call-parser hermes', '--tool-call-parser'],
    ['--enable-auto-tool-choice', '--enable-auto-tool-choice'],
    ['--served-model-name one two', '--served-model-name'],
    ['--host 0.0.0.0', '--host'],
    ['-tp 2', '-tp'],
    ['-z 2', '-z'],
    ['$EXTRA', '$EXTRA'],
  ],
} as const;
type Line = readonly [text: string, key: string];

const script = fc
  .tuple(
    fc.shuffledSubarray<Line>([...LINES.directives]),
    fc.shuffledSubarray<Line>([...LINES.variables]),
    fc.shuffledSubarray<Line>([...LINES.flags]),
  )
  .map(([directives, variables, flags]) => ({
    keys: [...directives, ...variables, ...flags].map(([, key]) => key),
    text: [
      '#!/bin/bash',
      ...[...directives, ...variables].map(([text]) => text),
      ['vllm serve x/y', ...flags.map(([text]) => text), ''].join(' \\\n  '),
    ].join('\n'),
  }));

function leaves(value: unknown, prefix = ''): readonly string[] {
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (entries.length === 0) return [prefix];
  return entries.flatMap(([key, inner]) => leaves(inner, prefix === '' ? key : `${prefix}.${key}`));
}

function valueAt(root: unknown, field: string): unknown {
  // Names of engine flags and variables are the last part, dots and all.
  return field.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), root);
}

describe('an import', () => {
  it('loses nothing of any config: each key is in a file or listed, and every file is one the operator reads', () => {
    fc.assert(
      fc.property(config, script, fc.boolean(), (given, { keys, text }, all) => {
        const imported = importText(stringify(given), { all, scripts: { 'jobs/there.sh': text } });
        assert.deepEqual(problemsOf(imported), []);
        readBack(imported);
        const specs = specsOf(imported);
        const settings = settingsOf(imported);
        const carried = carriedOf(imported);
        // Of free text each flag is told of, behind the key.
        const told = new Set(
          [...Object.keys(carried), ...imported.left.map(({ setting }) => setting.key)].flatMap((key) => [
            key,
            key.replace(/(?<=[a-z_]) .*/, ''),
          ]),
        );
        const within = (key: string): boolean =>
          told.has(key) || (key.includes('.') && within(key.slice(0, key.lastIndexOf('.'))));
        assert.deepEqual(
          leaves(given).filter((key) => !within(key)),
          [],
        );
        const isRead = Object.values(given.models).some((one) => Reflect.get(one, 'job_script') === 'jobs/there.sh');
        if (isRead)
          assert.deepEqual(
            [...new Set(keys)].filter((key) => !told.has(key)),
            [],
          );
        // What is said to be carried is there.
        for (const [key, places] of Object.entries(carried)) {
          for (const place of places) {
            const [file = '', field = ''] = place.split(': ');
            const name = imported.deployments.find(({ path: own }) => own === file)?.name;
            const root = name === undefined ? settings : { spec: specs[name] };
            assert.notEqual(valueAt(root, field), undefined, `${key} is said to be in ${place}`);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of numbers and names alone brings each value into its field', () => {
    fc.assert(
      fc.property(
        fc.record({
          port: fc.integer({ min: 1024, max: 65_535 }),
          seqs: fc.integer({ min: 1, max: 1000 }),
          nodes: fc.integer({ min: 1, max: 8 }),
          perNode: fc.integer({ min: 1, max: 8 }),
          account: word,
        }),
        ({ port, seqs, nodes, perNode, account }) => {
          const imported = importText(
            stringify({
              models: { m: { huggingface_id: 'a/b', port, nodes, gpus: nodes * perNode } },
              vllm: { max_num_seqs: seqs },
              slurm: { account },
            }),
          );
          assert.deepEqual(specsOf(imported), {
            m: {
              model: { uri: 'hf://a/b' },
              resources: { nodes, gpusPerNode: perNode },
              engine: { maxNumSeqs: seqs },
              endpoint: { port },
            },
          });
          assert.deepEqual(settingsOf(imported), { directory: 'deployments', defaults: { account } });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('of any text at all ends in files or in problems with a place, and in no crash', () => {
    const fragments = fc.constantFrom(
      'models:',
      '  m:',
      '    huggingface_id: a/b',
      '{',
      '}',
      '- ',
      ': ',
      '&a',
      '*a',
      '"',
      '#!',
      '#SBATCH -N',
      'vllm serve ',
      '$' + '{X:-',
      '$(',
      '\n',
      '\\',
      '<<EOF',
      "'",
      'if ',
      'fi',
      '((',
      'A=(',
      ')',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(fragments, fc.string({ maxLength: 6 })), { maxLength: 30 }), (pieces) => {
        const imported = importText(pieces.join(''));
        if (imported.problems.length === 0) readBack(imported);
        else assert.ok(imported.problems.every(({ place }) => place.line >= 1));
      }),
      { numRuns: 500 },
    );
  });
});
