import type { Spec } from '../api/spec.ts';
import type { Site } from './site.ts';
import { topologyOf } from './topology.ts';

/**
 * argv of the engine, up to what only the nodes know: `serve.sh` adds `--host`, `--port`, the served names, and a rank's
 * own number and meeting place behind it.
 * Typed fields come first and `engine.args` after them; nothing is said twice, `readSpec` has seen to that.
 */
export function engineCommand(spec: Spec, site: Pick<Site, 'standInCommand'>): readonly string[] {
  const program = spec.engine.type === 'stand-in' ? site.standInCommand : ['vllm'];
  return [...program, 'serve', modelArgument(spec.model.uri), ...typedFlags(spec), ...spec.engine.args];
}

/** What `vllm serve` takes for the model: a directory or `org/repo`. */
export function modelArgument(uri: string): string {
  return uri.replace(/^(hf|file):\/\//, '');
}

function typedFlags(spec: Spec): readonly string[] {
  const { engine, model, parallelism } = spec;
  const { tensor, pipeline, data } = topologyOf(spec);
  return [
    ...flag('--revision', model.revision),
    ...flag('--tensor-parallel-size', moreThanOne(tensor)),
    ...flag('--pipeline-parallel-size', moreThanOne(pipeline)),
    ...flag('--data-parallel-size', moreThanOne(data)),
    ...(parallelism.expert ? ['--enable-expert-parallel'] : []),
    ...flag('--max-model-len', engine.maxModelLen),
    ...flag('--gpu-memory-utilization', engine.gpuMemoryUtilization),
    ...flag('--max-num-seqs', engine.maxNumSeqs),
    ...flag('--dtype', engine.dtype),
    ...flag('--quantization', engine.quantization),
    ...flag('--kv-cache-dtype', engine.kvCacheDtype),
    ...flag('--seed', engine.seed),
    ...(engine.toolCallParser === undefined ? [] : ['--enable-auto-tool-choice']),
    ...flag('--tool-call-parser', engine.toolCallParser),
    ...flag('--reasoning-parser', engine.reasoningParser),
    ...(engine.trustRemoteCode ? ['--trust-remote-code'] : []),
  ];
}

const flag = (name: string, value: string | number | undefined): readonly string[] =>
  value === undefined ? [] : [name, String(value)];

const moreThanOne = (ranks: number): number | undefined => (ranks > 1 ? ranks : undefined);
