/**
 * What the API server checks of fields against each other, in CEL, at the moment somebody applies the resource. The same
 * checks, and those that CEL cannot afford, are the operator's own (`launch/spec-checks.ts`); a live test holds the two
 * to one verdict. Messages are fixed: one that is put together from numbers exceeds what the API server allows a rule
 * to cost, and the condition has the sum.
 */
type Rule = { readonly rule: string; readonly message: string; readonly fieldPath?: string };

/** `unless`: the cases the rule does not speak of. */
const given = (unless: string, rule: string): string => `${unless} || ${rule}`;
/** What a preset adds is known to the operator alone, which checks the whole. */
const withoutPreset = (rule: string): string => given('has(self.preset)', rule);

/** Where presets may say something nothing is filled in, so that each step of a path may be missing. */
function present(field: string): string {
  const steps = field.split('.');
  return `(${steps.map((_, at) => `has(self.${steps.slice(0, at + 1).join('.')})`).join(' && ')})`;
}
const orElse = (field: string, value: string): string => `(${present(field)} ? self.${field} : ${value})`;
const isWord = (field: string, word: string): string => `(${present(field)} && self.${field} == '${word}')`;

const nodes = orElse('resources.nodes', '1');
const gpusPerNode = orElse('resources.gpusPerNode', '1');
const gpus = `(${nodes} * ${gpusPerNode})`;
const data = orElse('parallelism.data', '1');
const inImage = `(${isWord('runtime.type', 'apptainer')} || ${isWord('runtime.type', 'pyxis')})`;
const stages = orElse('parallelism.pipeline', `(${data} > 1 ? 1 : ${nodes})`);

export const SPEC_RULES: readonly Rule[] = [
  {
    rule: withoutPreset(present('model.uri')),
    message: 'model.uri is required, unless preset names a model of the catalog',
    fieldPath: '.model',
  },
  {
    rule: withoutPreset(
      given(
        `${gpusPerNode} == 0`,
        `${orElse('parallelism.tensor', '1')} * ${orElse('parallelism.pipeline', '1')} * ${data} <= ${gpus}`,
      ),
    ),
    message: 'tensor × pipeline × data must not exceed nodes × gpusPerNode',
    fieldPath: '.parallelism',
  },
  {
    rule: withoutPreset(
      given(`${gpusPerNode} == 0 || ${present('parallelism.tensor')}`, `${gpus} % (${stages} * ${data}) == 0`),
    ),
    message: 'pipeline × data must divide nodes × gpusPerNode, or parallelism.tensor must be set',
    fieldPath: '.parallelism',
  },
  {
    rule: withoutPreset(
      given(`!${isWord('launcher.type', 'ray')}`, `(${data} == 1 && !${isWord('engine.type', 'stand-in')})`),
    ),
    message: 'launcher.type ray goes neither with parallelism.data nor with the stand-in engine',
    fieldPath: '.launcher',
  },
  {
    rule: given(
      `!${present('resources.memoryPerGpu')}`,
      `(!has(self.resources.memory) && (has(self.preset) || ${gpusPerNode} > 0))`,
    ),
    message: 'memoryPerGpu goes without memory, and needs gpusPerNode',
    fieldPath: '.resources',
  },
  {
    rule: withoutPreset(`${present('runtime.venv')} == ${isWord('runtime.type', 'venv')}`),
    message: 'runtime.venv is required when runtime.type is venv, and has no use otherwise',
    fieldPath: '.runtime',
  },
  {
    rule: withoutPreset(`${present('runtime.image')} == ${inImage}`),
    message: 'runtime.image is required when runtime.type is apptainer or pyxis, and has no use otherwise',
    fieldPath: '.runtime',
  },
  {
    rule: withoutPreset(given(`!${present('runtime.mounts')} || self.runtime.mounts.size() == 0`, inImage)),
    message: 'runtime.mounts has no use unless runtime.type is apptainer or pyxis',
    fieldPath: '.runtime',
  },
  {
    rule: given(
      `!${isWord('runtime.type', 'pyxis')} || !${present('runtime.image')}`,
      "!self.runtime.image.startsWith('oras://')",
    ),
    message: 'runtime.image of an ORAS registry goes with runtime.type apptainer alone',
    fieldPath: '.runtime',
  },
  ...(['model.uri', 'model.cache.path'] as const).map((field) => ({
    rule: given(
      `!${inImage} || !${present(field)}`,
      `!self.${field}.replace('file://', '').replace('hf://', '').matches('[,:"\\\\\\\\]')`,
    ),
    message: `${field} must be without commas, colons, quotes and backslashes to be mounted in a container`,
    fieldPath: '.model',
  })),
  {
    rule: withoutPreset(
      given(`!${isWord('engine.type', 'stand-in')}`, `${orElse('runtime.type', "'host'")} == 'host'`),
    ),
    message: 'the stand-in engine brings its own program: runtime.type must be host',
    fieldPath: '.runtime',
  },
  {
    rule: given(`!${present('endpoint.port')}`, '!has(self.endpoint.portRange)'),
    message: 'port and portRange exclude each other',
    fieldPath: '.endpoint',
  },
  portsInOrder('endpoint.portRange'),
  portsInOrder('launcher.rendezvous.portRange'),
  {
    rule: withoutPreset(given(`!${present('model.revision')}`, "self.model.uri.startsWith('hf://')")),
    message: 'revision belongs to a repository on the hub, and uri is a path',
    fieldPath: '.model',
  },
  {
    rule: given(`!${present('model.uri')}`, "!self.model.uri.startsWith('hf://-')"),
    message: 'uri must not begin its name with "-"',
    fieldPath: '.model',
  },
  {
    rule: given(
      `!${present('model.name')} || !${present('model.aliases')}`,
      '!(self.model.name in self.model.aliases)',
    ),
    message: 'aliases must not repeat the name',
    fieldPath: '.model',
  },
  {
    rule: given(`!${present('engine.args')} || self.engine.args.size() == 0`, "self.engine.args[0].startsWith('-')"),
    message: 'the first of engine.args must be an option: an argument without one is the model',
    fieldPath: '.engine',
  },
  {
    rule: given(
      `!${present('slurm.places')}`,
      '(!has(self.slurm.cluster) && (!has(self.slurm.partitions) || self.slurm.partitions.size() == 0))',
    ),
    message: 'places stand in place of cluster and partitions',
    fieldPath: '.slurm.places',
  },
  {
    rule: given(
      `!${present('slurm.places')}`,
      '(self.slurm.places.all(p, has(p.cluster)) || !self.slurm.places.exists(p, has(p.cluster)))',
    ),
    message: 'either all places name a cluster or none does',
    fieldPath: '.slurm.places',
  },
  {
    rule: given(
      `!${present('slurm.places')}`,
      `self.slurm.places.all(p, self.slurm.places.exists_one(q, ${sameOf('cluster', "''")} && ${sameOf('partitions', '[]')}))`,
    ),
    message: 'places must differ by cluster or partitions',
    fieldPath: '.slurm.places',
  },
  oneSecretSource('model', 'tokenFrom'),
  oneSecretSource('endpoint', 'apiKeyFrom'),
];

/** On the field itself: `parseSlurmTime` in RE2. */
export const SLURM_TIME_RULE: Rule = {
  rule: "self.matches('^([0-9]{1,6}-)?[0-9]{1,8}(:[0-9]{1,2}){0,2}$') || self.matches('(?i)^(unlimited|infinite)$')",
  message: 'must be a SLURM time: minutes, HH:MM:SS, D-HH, D-HH:MM:SS or UNLIMITED',
};

/** Of two objects `p` and `q`. */
function sameOf(field: string, unset: string): string {
  const [p, q] = ['p', 'q'].map((one) => `(has(${one}.${field}) ? ${one}.${field} : ${unset})`);
  return `${p} == ${q}`;
}

function portsInOrder(field: string): Rule {
  const port = (at: number): string => `int(self.${field}.split('-')[${at}])`;
  return {
    rule: given(`!${present(field)}`, `(1024 <= ${port(0)} && ${port(0)} <= ${port(1)} && ${port(1)} <= 65535)`),
    message: `${field} must be LOW-HIGH in order, within 1024-65535`,
    fieldPath: `.${field.split('.', 1)[0]}`,
  };
}

function oneSecretSource(part: string, field: string): Rule {
  const source = `self.${part}.${field}`;
  const named = ['env', 'file', 'secretKeyRef'].map((place) => `(has(${source}.${place}) ? 1 : 0)`);
  return {
    rule: given(`!${present(`${part}.${field}`)}`, `${named.join(' + ')} == 1`),
    message: `${field} needs exactly one of env, file and secretKeyRef`,
    fieldPath: `.${part}.${field}`,
  };
}
