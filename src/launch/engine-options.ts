/**
 * Options of `vllm serve` that may not stand in `spec.engine.args`, and what to do instead.
 * Source: `vllm serve --help=all` of 0.15.1 and 0.32.0; `docs/adr` has why.
 */
type Refused = { readonly why: string; readonly options: readonly string[]; readonly short?: readonly string[] };

const REFUSED: readonly Refused[] = [
  { why: 'the operator chooses it on the node: set spec.endpoint', options: ['host', 'port'] },
  { why: 'set spec.model.name and spec.model.aliases', options: ['served-model-name'] },
  { why: 'set spec.model.uri', options: ['model', 'model-tag'] },
  { why: 'set spec.model.revision', options: ['revision'] },
  { why: 'set spec.parallelism.tensor', options: ['tensor-parallel-size'], short: ['-tp'] },
  { why: 'set spec.parallelism.pipeline', options: ['pipeline-parallel-size'], short: ['-pp'] },
  { why: 'set spec.engine.maxModelLen', options: ['max-model-len'] },
  { why: 'set spec.engine.gpuMemoryUtilization', options: ['gpu-memory-utilization'] },
  { why: 'set spec.engine.maxNumSeqs', options: ['max-num-seqs'] },
  { why: 'set spec.engine.dtype', options: ['dtype'] },
  { why: 'set spec.engine.quantization', options: ['quantization'], short: ['-q'] },
  { why: 'set spec.engine.kvCacheDtype', options: ['kv-cache-dtype'] },
  { why: 'set spec.engine.seed', options: ['seed'] },
  { why: 'set spec.engine.toolCallParser', options: ['tool-call-parser', 'enable-auto-tool-choice'] },
  { why: 'set spec.engine.reasoningParser', options: ['reasoning-parser'] },
  { why: 'set spec.engine.trustRemoteCode', options: ['trust-remote-code'] },
  {
    why: 'the endpoint would not answer where and how it is asked: over HTTP, at its own port',
    options: [
      ...['uds', 'root-path', 'grpc', 'grpc-port'],
      ...['ssl-keyfile', 'ssl-certfile', 'ssl-ca-certs', 'ssl-cert-reqs', 'ssl-ciphers', 'enable-ssl-refresh'],
    ],
  },
  { why: 'everybody can read the job script: set spec.endpoint.apiKeyFrom', options: ['api-key'] },
  { why: 'set spec.parallelism.data', options: ['data-parallel-size'], short: ['-dp'] },
  { why: 'set spec.parallelism.expert', options: ['enable-expert-parallel'], short: ['-ep'] },
  { why: 'set spec.launcher.type', options: ['distributed-executor-backend'] },
  {
    why: 'the operator gives each rank its place: set spec.parallelism and spec.resources',
    options: [
      ...['nnodes', 'node-rank', 'master-addr', 'master-port', 'headless'],
      ...['data-parallel-size-local', 'data-parallel-rank', 'data-parallel-start-rank'],
      ...['data-parallel-address', 'data-parallel-rpc-port', 'data-parallel-backend', 'data-parallel-supervisor-port'],
      ...['data-parallel-external-lb', 'data-parallel-hybrid-lb', 'data-parallel-multi-port-external-lb'],
    ],
    short: ['-n', '-r', '-dpn', '-dpr', '-dpl', '-dpa', '-dpp', '-dpb', '-dph', '-dpe', '-dpm'],
  },
  { why: 'a file may hold any option; write the options themselves', options: ['config'] },
  {
    why: 'everybody can read the job script: set spec.model.tokenFrom',
    options: ['hf-token'],
  },
  {
    why: 'it runs code that is neither the engine’s nor the operator’s, and no policy allows that',
    options: [
      ...['middleware', 'worker-cls', 'worker-extension-cls', 'scheduler-cls', 'logits-processors'],
      ...['tool-parser-plugin', 'reasoning-parser-plugin', 'io-processor-plugin', 'model-class-overrides'],
      ...['tool-server', 'logging-config', 'log-config-file'],
    ],
  },
  {
    why: 'every client of the endpoint could read files of the node',
    options: ['allowed-local-media-path'],
  },
];

const REFUSED_OPTIONS = REFUSED.flatMap(({ why, options }) => options.map((name) => ({ name, why })));
const REFUSED_SHORT = new Map(REFUSED.flatMap(({ why, short = [] }) => short.map((name) => [name, why] as const)));

/**
 * Why `spec.engine.args` may not hold this word; undefined when it may.
 * argparse takes `--flag value`, `--flag=value`, `_` for `-`, `--no-flag`, `--flag.key` and any beginning of a flag
 * that no other flag has: all of them are seen through.
 */
export function whyNoEngineArgument(word: string, engine: 'vllm' | 'stand-in'): string | undefined {
  if (word === '--') return 'ends the options, and the operator writes some behind it';
  if (!word.startsWith('-')) return undefined;
  const [flag = ''] = word.split(/[=.]/, 1);
  if (!flag.startsWith('--')) return whyNoShortOption(flag);
  const name = flag.slice(2).replaceAll('_', '-');
  if (name.startsWith('stand-in-') && engine === 'vllm') return 'is a fault of the stand-in engine';
  const positive = name.replace(/^no-/, '');
  const refused =
    REFUSED_OPTIONS.find((one) => one.name === positive) ??
    (positive.length > 0 ? REFUSED_OPTIONS.find((one) => one.name.startsWith(positive)) : undefined);
  return refused && explained(flag, refused.name, refused.why);
}

/** `-qfp8` is `-q fp8`: no option of several letters begins with one that stands in the table alone. */
function whyNoShortOption(flag: string): string | undefined {
  return REFUSED_SHORT.get(flag) ?? REFUSED_SHORT.get(flag.slice(0, 2));
}

function explained(flag: string, name: string, why: string): string {
  return flag.slice(2).replaceAll('_', '-') === name ? why : `stands for --${name}: ${why}`;
}
