import type { Catalog, ModelShape, Preset } from '../api/catalog.ts';
import type { SpecProblem } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import { gpuMemoryGiB } from './gpus.ts';
import { type Topology, topologyOf } from './topology.ts';

/** What the site says of its nodes; undefined: it does not say. */
export type Hardware = {
  readonly gpuMemoryGiB?: number;
  readonly gpusPerNode?: number;
  readonly nodes?: number;
};

/** vLLM's own default. Source: `vllm serve --help`, 0.15.1 and 0.32.0. */
const DEFAULT_UTILIZATION = 0.9;
/** Of what vLLM may use, for its context, its activations and captured graphs. An estimate on the small side. */
const RESERVED_GIB = 3;
const GIB = 2 ** 30;

/**
 * Why this deployment will most likely not start where it is sent. By rule of thumb and for models of the catalog alone,
 * so it warns and refuses nothing. Pure.
 */
export function fitWarnings(spec: Spec, catalog: Catalog, hardware: Hardware = {}): readonly SpecProblem[] {
  if (spec.engine.type === 'stand-in') return [];
  const preset = presetFor(spec, catalog);
  return [...placeWarnings(spec, hardware), ...(preset ? modelWarnings(spec, preset, hardware) : [])];
}

function placeWarnings({ resources }: Spec, hardware: Hardware): readonly SpecProblem[] {
  const rows = [
    ['gpusPerNode', resources.gpusPerNode, hardware.gpusPerNode, 'GPUs a node'],
    ['nodes', resources.nodes, hardware.nodes, 'nodes'],
  ] as const;
  return rows.flatMap(([field, wanted, have, noun]) =>
    have === undefined || wanted <= have
      ? []
      : [
          {
            field: `spec.resources.${field}`,
            message: `${wanted} ${noun} are asked for, and the site has ${have} (hardware.${field}): SLURM will refuse the job or let it wait for ever`,
          },
        ],
  );
}

function modelWarnings(spec: Spec, preset: Preset, hardware: Hardware): readonly SpecProblem[] {
  const topology = topologyOf(spec);
  const splits = splitWarnings(spec, preset.shape, topology);
  return splits.length > 0 || spec.resources.gpusPerNode === 0
    ? splits
    : [...splits, ...memoryWarnings(spec, preset, topology, hardware)];
}

function splitWarnings(spec: Spec, shape: ModelShape, { tensor }: Topology): readonly SpecProblem[] {
  const at = 'spec.parallelism.tensor';
  if (shape.attentionHeads % tensor !== 0)
    return [
      {
        field: at,
        message: `${tensor} tensor-parallel ranks cannot share ${shape.attentionHeads} attention heads evenly: choose a divisor`,
      },
    ];
  const { experts } = shape;
  if (!experts || spec.parallelism.expert || (experts.size / tensor) % experts.block === 0) return [];
  return [
    {
      field: at,
      message: `each of ${tensor} ranks would get ${experts.size / tensor} columns of an expert, no multiple of the ${experts.block} its weights are quantized by: set parallelism.expert, or fewer ranks`,
    },
  ];
}

function memoryWarnings(spec: Spec, preset: Preset, topology: Topology, hardware: Hardware): readonly SpecProblem[] {
  const { gpuType } = spec.resources;
  const known = (gpuType === undefined ? undefined : gpuMemoryGiB(gpuType)) ?? hardware.gpuMemoryGiB;
  const memory = known ?? preset.gpuMemoryGiB;
  const origin = known === undefined ? ', as the catalog assumes' : '';
  const { weights, cacheOf } = needs(spec, preset.shape, topology);
  const usable = memory * (spec.engine.gpuMemoryUtilization ?? DEFAULT_UTILIZATION) - RESERVED_GIB;
  const gpu = `a GPU of ${figure(memory)} GiB${origin}`;
  if (weights > usable) {
    const gpus = topology.tensor * topology.pipeline;
    const least = Math.ceil((weights * gpus) / usable);
    const advice =
      usable > 0
        ? `take at least ${least} GPUs of this kind for one copy, or a smaller quantization`
        : 'raise engine.gpuMemoryUtilization';
    return [
      {
        field: 'spec.resources',
        message: `the weights take ${figure(weights)} GiB of each GPU, and ${gpu} has ${figure(Math.max(0, usable))} GiB for them: ${advice}`,
      },
    ];
  }
  const tokens = spec.engine.maxModelLen ?? preset.contextTokens;
  const left = usable - weights;
  if (cacheOf(tokens) <= left) return [];
  const most = Math.floor(left / cacheOf(1) / 1024) * 1024;
  return [
    {
      field: 'spec.engine.maxModelLen',
      message: `one request of ${tokens} tokens takes ${figure(cacheOf(tokens))} GiB of cache, and ${gpu} has ${figure(left)} GiB left beside the weights: set it to ${Math.max(1024, most)} or less, or take more GPUs`,
    },
  ];
}

/** GiB on each GPU. Heads are not split further than there are, and a latent vector is on every rank whole. */
function needs(spec: Spec, shape: ModelShape, { tensor, pipeline, data }: Topology) {
  const expertCopies = spec.parallelism.expert ? data : 1;
  const { layers, heads, values } = shape.keyValue;
  const bytes = spec.engine.kvCacheDtype?.startsWith('fp8') ? 1 : 2;
  const perToken = Math.ceil(layers / pipeline) * Math.max(1, heads / tensor) * values * bytes;
  return {
    weights: (shape.weightsGB * 1e9) / GIB / (tensor * pipeline * expertCopies),
    cacheOf: (tokens: number): number => (tokens * perToken) / GIB,
  };
}

/** By its own name, or as the model it is of; a local copy is believed to be what its preset says. */
export function presetFor({ preset, model }: Spec, catalog: Catalog): Preset | undefined {
  const named = preset === undefined ? undefined : catalog.entries.get(preset)?.preset;
  if (named && (model.uri === uriOf(named) || model.uri.startsWith('file://'))) return named;
  return [...catalog.entries.values()].map((entry) => entry.preset).find((one) => uriOf(one) === model.uri);
}

export function uriOf({ spec }: Pick<Preset, 'spec'>): unknown {
  return spec.model?.uri;
}

const figure = (value: number): string => String(Math.round(value * 10) / 10);
