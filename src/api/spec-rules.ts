/**
 * What the API server checks of fields against each other, in CEL, at the moment somebody applies the resource. The same
 * checks, and those that CEL cannot afford, are the operator's own (`launch/spec-checks.ts`); a live test holds the two
 * to one verdict. Messages are fixed: one that is put together from numbers exceeds what the API server allows a rule
 * to cost, and the condition has the sum.
 */
type Rule = { readonly rule: string; readonly message: string; readonly fieldPath?: string };

/** `unless`: the cases the rule does not speak of. */
const given = (unless: string, rule: string): string => `${unless} || ${rule}`;
const orElse = (field: string, value: string): string => `(has(${field}) ? ${field} : ${value})`;

const parallel = 'self.parallelism';
const resources = 'self.resources';
const gpus = `(${resources}.nodes * ${resources}.gpusPerNode)`;
const stages = orElse(`${parallel}.pipeline`, `(${parallel}.data > 1 ? 1 : ${resources}.nodes)`);

export const SPEC_RULES: readonly Rule[] = [
  {
    rule: given(
      `${resources}.gpusPerNode == 0`,
      `${orElse(`${parallel}.tensor`, '1')} * ${orElse(`${parallel}.pipeline`, '1')} * ${parallel}.data <= ${gpus}`,
    ),
    message: 'tensor × pipeline × data must not exceed nodes × gpusPerNode',
    fieldPath: '.parallelism',
  },
  {
    rule: given(
      `${resources}.gpusPerNode == 0 || has(${parallel}.tensor)`,
      `${gpus} % (${stages} * ${parallel}.data) == 0`,
    ),
    message: 'pipeline × data must divide nodes × gpusPerNode, or parallelism.tensor must be set',
    fieldPath: '.parallelism',
  },
  {
    rule: given("self.launcher.type != 'ray'", `${parallel}.data == 1 && self.engine.type != 'stand-in'`),
    message: 'launcher.type ray goes neither with parallelism.data nor with the stand-in engine',
    fieldPath: '.launcher',
  },
  {
    rule: given(`!has(${resources}.memoryPerGpu)`, `(!has(${resources}.memory) && ${resources}.gpusPerNode > 0)`),
    message: 'memoryPerGpu goes without memory, and needs gpusPerNode',
    fieldPath: '.resources',
  },
  {
    rule: "has(self.runtime.venv) == (self.runtime.type == 'venv')",
    message: 'runtime.venv is required when runtime.type is venv, and has no use otherwise',
    fieldPath: '.runtime',
  },
  {
    rule: given("self.engine.type != 'stand-in'", "self.runtime.type != 'venv'"),
    message: 'the stand-in engine brings its own program: runtime.type must be host',
    fieldPath: '.runtime',
  },
  {
    rule: given('!has(self.endpoint.port)', '!has(self.endpoint.portRange)'),
    message: 'port and portRange exclude each other',
    fieldPath: '.endpoint',
  },
  portsInOrder('endpoint.portRange'),
  portsInOrder('launcher.rendezvous.portRange'),
  {
    rule: given('!has(self.model.revision)', "self.model.uri.startsWith('hf://')"),
    message: 'revision belongs to a repository on the hub, and uri is a path',
    fieldPath: '.model',
  },
  {
    rule: "!self.model.uri.startsWith('hf://-')",
    message: 'uri must not begin its name with "-"',
    fieldPath: '.model',
  },
  {
    rule: given('!has(self.model.name)', '!(self.model.name in self.model.aliases)'),
    message: 'an alias must not repeat the name',
    fieldPath: '.model',
  },
  {
    rule: "self.engine.args.size() == 0 || self.engine.args[0].startsWith('-')",
    message: 'the first of engine.args must be an option: an argument without one is the model',
    fieldPath: '.engine',
  },
  oneSecretSource('model', 'tokenFrom'),
  oneSecretSource('endpoint', 'apiKeyFrom'),
];

/** On the field itself: `parseSlurmTime` in RE2. */
export const SLURM_TIME_RULE: Rule = {
  rule: "self.matches('^([0-9]{1,6}-)?[0-9]{1,8}(:[0-9]{1,2}){0,2}$') || self.matches('(?i)^(unlimited|infinite)$')",
  message: 'must be a SLURM time: minutes, HH:MM:SS, D-HH, D-HH:MM:SS or UNLIMITED',
};

function portsInOrder(field: string): Rule {
  const port = (at: number): string => `int(self.${field}.split('-')[${at}])`;
  return {
    rule: given(`!has(self.${field})`, `(1024 <= ${port(0)} && ${port(0)} <= ${port(1)} && ${port(1)} <= 65535)`),
    message: `${field} must be LOW-HIGH in order, within 1024-65535`,
    fieldPath: `.${field.split('.', 1)[0]}`,
  };
}

function oneSecretSource(part: string, field: string): Rule {
  const source = `self.${part}.${field}`;
  const named = ['env', 'file', 'secretKeyRef'].map((place) => `(has(${source}.${place}) ? 1 : 0)`);
  return {
    rule: given(`!has(${source})`, `${named.join(' + ')} == 1`),
    message: `${field} needs exactly one of env, file and secretKeyRef`,
    fieldPath: `.${part}.${field}`,
  };
}
