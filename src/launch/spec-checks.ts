import { isDeepStrictEqual } from 'node:util';
import { Model, type SecretSource, type Spec } from '../api/spec.ts';
import { modelArgument } from './arguments.ts';
import { runsInImage } from './container.ts';
import { whyNoEngineArgument } from './engine-options.ts';
import { whyNoEngineVariable } from './engine-variables.ts';
import { nameOf, placeText } from './places.ts';
import { parsePortRange } from './ports.ts';
import { whyNoSbatchOption } from './sbatch-options.ts';
import { servedName } from './served.ts';
import { topologyOf } from './topology.ts';

type Complaint = { readonly at: readonly (string | number)[]; readonly message: string };
type SpecCheck = (spec: Spec) => readonly Complaint[];

/** What no single field can be blamed for alone: fields against each other, and lists against what the operator owns. */
export const SPEC_CHECKS: readonly SpecCheck[] = [
  modelIsAnArgument,
  revisionHasARepository,
  namesAreApart,
  secretsHaveOneSource,
  ranksFitTheGpus,
  ranksShareTheNodes,
  launcherSuits,
  memoryIsSaidOnce,
  venvBelongsToItsRuntime,
  imageBelongsToItsRuntime,
  pathsCanBeMounted,
  portIsSaidOnce,
  argumentsAreTheUsers,
  variablesAreTheUsers,
  sbatchOptionsAreTheUsers,
  placesAreSaidOnce,
];

function modelIsAnArgument({ model }: Spec): readonly Complaint[] {
  return model.uri.startsWith('hf://-') ? [{ at: ['model', 'uri'], message: 'must not begin its name with "-"' }] : [];
}

function revisionHasARepository({ model }: Spec): readonly Complaint[] {
  if (model.revision === undefined || model.uri.startsWith('hf://')) return [];
  return [{ at: ['model', 'revision'], message: 'belongs to a repository on the hub, and spec.model.uri is a path' }];
}

function namesAreApart({ model }: Spec): readonly Complaint[] {
  const name = servedName({ model });
  if (!Model.shape.name.safeParse(name).success) {
    return [{ at: ['model', 'name'], message: `is needed: "${name}", from spec.model.uri, is no name to ask for` }];
  }
  const names = [name, ...model.aliases];
  return model.aliases.flatMap((alias, index) =>
    names.indexOf(alias) <= index ? [{ at: ['model', 'aliases', index], message: `"${alias}" is served already` }] : [],
  );
}

function secretsHaveOneSource({ model, endpoint }: Spec): readonly Complaint[] {
  return [
    ...onlyOne(['model', 'tokenFrom'], model.tokenFrom),
    ...onlyOne(['endpoint', 'apiKeyFrom'], endpoint.apiKeyFrom),
  ];
}

function onlyOne(at: Complaint['at'], source: SecretSource | undefined): readonly Complaint[] {
  if (source === undefined) return [];
  const named = Object.keys(source);
  if (named.length === 1) return [];
  const found = named.length === 0 ? 'none' : named.join(' and ');
  return [{ at, message: `needs exactly one of env, file and secretKeyRef, and has ${found}` }];
}

function ranksFitTheGpus(spec: Spec): readonly Complaint[] {
  const { nodes, gpusPerNode } = spec.resources;
  const gpus = nodes * gpusPerNode;
  if (gpus === 0) return []; // An engine on CPUs has ranks too; nothing here knows how many fit.
  const { tensor, pipeline, data } = topologyOf(spec);
  const have = `nodes ${nodes} × gpusPerNode ${gpusPerNode} = ${counted(gpus, 'GPU')}`;
  if (spec.parallelism.tensor === undefined && gpus % (pipeline * data) !== 0) {
    const [field, count] = data > 1 ? (['data', data] as const) : (['pipeline', pipeline] as const);
    const divisor = data > 1 && pipeline > 1 ? `pipeline ${pipeline} × data ${data}` : `${field} ${count}`;
    return [
      {
        at: ['parallelism', field],
        message: `${divisor} does not divide ${have}: set parallelism.tensor, or another ${field}`,
      },
    ];
  }
  const ranks = tensor * pipeline * data;
  if (ranks <= gpus) return [];
  return [
    {
      at: ['parallelism', 'tensor'],
      message: `${sum(spec)} = ${counted(ranks, 'rank')}, but ${have}: each rank needs a GPU of its own`,
    },
  ];
}

/** vLLM gives every node of a replica as many ranks, and a data-parallel copy stays on its node. */
function ranksShareTheNodes(spec: Spec): readonly Complaint[] {
  const { nodes, tensor, pipeline, data } = topologyOf(spec);
  if (nodes === 1 || spec.launcher.type === 'ray') return [];
  if (data > 1) {
    if (data % nodes === 0) return [];
    return [
      {
        at: ['parallelism', 'data'],
        message: `data ${data} over ${nodes} nodes: each node holds as many copies, so it must be a multiple of ${nodes}`,
      },
    ];
  }
  const ranks = tensor * pipeline;
  if (ranks % nodes === 0) return [];
  return [
    {
      at: ['parallelism'],
      message: `${sum(spec)} = ${counted(ranks, 'rank')}, which ${nodes} nodes cannot share evenly: make it a multiple of ${nodes}`,
    },
  ];
}

function sum(spec: Spec): string {
  const { tensor, pipeline, data } = topologyOf(spec);
  return [`tensor ${tensor}`, `pipeline ${pipeline}`, ...(data > 1 ? [`data ${data}`] : [])].join(' × ');
}

function launcherSuits({ launcher, parallelism, engine }: Spec): readonly Complaint[] {
  const at = ['launcher', 'type'];
  return [
    ...(launcher.type === 'ray' && parallelism.data > 1
      ? [{ at, message: 'must be torchrun or native: data parallelism with ray is not served by this version' }]
      : []),
    ...(launcher.type === 'ray' && engine.type === 'stand-in'
      ? [{ at, message: 'must be torchrun or native: the stand-in engine knows no ray' }]
      : []),
  ];
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function memoryIsSaidOnce({ resources }: Spec): readonly Complaint[] {
  if (resources.memoryPerGpu === undefined) return [];
  const at = ['resources', 'memoryPerGpu'];
  if (resources.memory !== undefined) return [{ at, message: 'must not stand beside spec.resources.memory: keep one' }];
  if (resources.gpusPerNode === 0) return [{ at, message: 'needs GPUs, and spec.resources.gpusPerNode is 0' }];
  return [];
}

function venvBelongsToItsRuntime({ runtime, engine }: Spec): readonly Complaint[] {
  const at = ['runtime', 'venv'];
  if (engine.type === 'stand-in' && runtime.type !== 'host')
    return [{ at: ['runtime', 'type'], message: 'must be host: the stand-in engine brings its own program' }];
  if (runtime.type === 'venv' && runtime.venv === undefined)
    return [{ at, message: 'is required, as spec.runtime.type is venv' }];
  if (runtime.type !== 'venv' && runtime.venv !== undefined)
    return [{ at, message: `has no use while spec.runtime.type is ${runtime.type}: set that to venv` }];
  return [];
}

function imageBelongsToItsRuntime({ runtime }: Spec): readonly Complaint[] {
  const at = ['runtime', 'image'];
  if (runtime.type === 'pyxis' && runtime.image?.startsWith('oras://'))
    return [{ at, message: 'goes with spec.runtime.type apptainer alone: Enroot knows no oras://' }];
  if (runsInImage(runtime))
    return runtime.image === undefined ? [{ at, message: `is required, as spec.runtime.type is ${runtime.type}` }] : [];
  const useless = { image: runtime.image !== undefined, mounts: runtime.mounts.length > 0 };
  return (['image', 'mounts'] as const)
    .filter((field) => useless[field])
    .map((field) => ({
      at: ['runtime', field],
      message: `has no use while spec.runtime.type is ${runtime.type}: set that to apptainer or pyxis`,
    }));
}

/** They are mounted where they are, and `SOURCE:TARGET,SOURCE:TARGET` has no words for such a path. */
function pathsCanBeMounted({ model, runtime }: Spec): readonly Complaint[] {
  if (!runsInImage(runtime)) return [];
  const paths = [
    { at: ['model', 'uri'], path: modelArgument(model.uri) },
    { at: ['model', 'cache', 'path'], path: model.cache.path ?? '' },
  ];
  return paths.flatMap(({ at, path }) =>
    /[,:"\\]/.test(path)
      ? [{ at, message: 'must be without commas, colons, quotes and backslashes to be mounted in a container' }]
      : [],
  );
}

function portIsSaidOnce({ endpoint, launcher }: Spec): readonly Complaint[] {
  return [
    ...(endpoint.port !== undefined && endpoint.portRange !== undefined
      ? [{ at: ['endpoint', 'portRange'], message: 'must not stand beside spec.endpoint.port: keep one' }]
      : inOrder(['endpoint', 'portRange'], endpoint.portRange)),
    ...inOrder(['launcher', 'rendezvous', 'portRange'], launcher.rendezvous.portRange),
  ];
}

function inOrder(at: Complaint['at'], range: string | undefined): readonly Complaint[] {
  if (range === undefined || parsePortRange(range)) return [];
  return [{ at, message: 'must be LOW-HIGH in order, within 1024-65535' }];
}

function argumentsAreTheUsers({ engine }: Spec): readonly Complaint[] {
  const [first] = engine.args;
  if (first !== undefined && !first.startsWith('-'))
    return [
      { at: ['engine', 'args', 0], message: `"${first}" must be an option: an argument without one is the model` },
    ];
  return engine.args.flatMap((word, index) => {
    const why = whyNoEngineArgument(word, engine.type);
    return why === undefined ? [] : [{ at: ['engine', 'args', index], message: `${flagOf(word)} is refused: ${why}` }];
  });
}

function variablesAreTheUsers(spec: Spec): readonly Complaint[] {
  return Object.keys(spec.engine.env).flatMap((name) => {
    const why = whyNoEngineVariable(name, spec);
    return why === undefined ? [] : [{ at: ['engine', 'env', name], message: `is refused: ${why}` }];
  });
}

function sbatchOptionsAreTheUsers({ slurm }: Spec): readonly Complaint[] {
  return slurm.extraArgs.flatMap((option, index) => {
    const why = whyNoSbatchOption(option);
    return why === undefined
      ? []
      : [{ at: ['slurm', 'extraArgs', index], message: `${flagOf(option)} is refused: ${why}` }];
  });
}

function placesAreSaidOnce({ slurm: { places, cluster, partitions } }: Spec): readonly Complaint[] {
  if (!places) return [];
  if (cluster !== undefined || partitions.length > 0) {
    const other = cluster === undefined ? 'partitions' : 'cluster';
    return [{ at: ['slurm', 'places'], message: `must not stand beside spec.slurm.${other}: name it in each place` }];
  }
  const names = places.map(nameOf);
  return names.flatMap((name, index) => {
    const at = ['slurm', 'places', index];
    const first = names.findIndex((other) => isDeepStrictEqual(other, name));
    if (first < index) return [{ at, message: `is ${placeText(name)}, as places[${first}] is already` }];
    if ((name.cluster === undefined) === (names[0]?.cluster === undefined)) return [];
    return [{ at: [...at, 'cluster'], message: 'must be named in all places or in none' }];
  });
}

/** Without its value, which may be a secret. */
const flagOf = (word: string): string => word.split('=', 1)[0] ?? word;
