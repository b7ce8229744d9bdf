import { DNS_LABEL } from '../api/spec.ts';
import { didYouMean } from '../nearest.ts';
import { besideWinners, byWords, type Carried, carriedBy, settingKey } from './account.ts';
import { type Assembled, assemble, type Placed, pathText } from './assemble.ts';
import {
  type Claim,
  type Finding,
  type Left,
  left,
  type Place,
  type Problem,
  placeText,
  problem,
  type Warning,
  warning,
} from './finding.ts';
import { MODEL_KEYS, readJobScript } from './job-script.ts';
import { readLaunchScripts } from './launch-scripts.ts';
import { deploymentText, settingsText } from './manifest-text.ts';
import { type Agreeing, merge } from './merge.ts';
import { once } from './once.ts';
import { operatorSettings, settingOf } from './operator-settings.ts';
import type { Format, ModelReading, Reading, Surroundings } from './reading.ts';
import { isVecInf, readVecInf } from './vec-inf.ts';
import { type Entry, readEntries } from './yaml-entries.ts';

export type Source = Surroundings & {
  readonly text: string;
  /** Name of the source's file without its ending: what a script alone is called. */
  readonly stem: string;
};

export type Choice = {
  /** Import these alone, and have them run. Empty: all. */
  readonly models: readonly string[];
  /** Have every model run, not the active one alone. */
  readonly all: boolean;
};

/** A file to be written, by its path below the output directory. */
export type OutputFile = { readonly path: string; readonly text: string };

export type Imported = {
  readonly format: Format | undefined;
  readonly deployments: readonly {
    readonly name: string;
    /** What the source calls it. */
    readonly model: string;
    readonly path: string;
    readonly isSuspended: boolean;
  }[];
  /** Empty when there are problems. */
  readonly files: readonly OutputFile[];
  readonly carried: readonly Carried[];
  readonly left: readonly Left[];
  readonly warnings: readonly Warning[];
  readonly problems: readonly Problem[];
};

export const SETTINGS_FILE = 'operator.yaml';
export const DEPLOYMENTS_DIRECTORY = 'deployments';

/** Everything an import comes to. Pure: nothing is read and nothing written. */
export function importSource(source: Source, choice: Choice): Imported {
  const read = readSource(source);
  if ('problems' in read) return { ...NOTHING, problems: read.problems };
  const { reading, chosen, findings } = choose(read, source, choice);
  const shared = [...reading.shared, ...findings];
  const names = deploymentNames(chosen);
  const settled = chosen.map((model, at) => settle(model, names[at] ?? '', shared, reading, choice));
  const forOperator = merge(shared.filter(isClaim).filter((one) => settingOf(one)));
  const settings = operatorSettings(forOperator.winners, DEPLOYMENTS_DIRECTORY);
  const saidAgain = besideWinners(
    [...forOperator.agreeing, ...settled.flatMap((one) => one.agreeing)],
    settings.placed,
    settings.left,
  );
  const warnings = [
    ...shared.filter(isWarning),
    ...forOperator.warnings,
    ...settled.flatMap((one) => one.warnings),
    ...sharedPorts(settled),
  ];
  const problems = [...shared.filter(isProblem), ...settled.flatMap((one) => one.problems)];
  const carried = carriedBy([
    { path: SETTINGS_FILE, placed: [...settings.placed, ...saidAgain.placed] },
    ...settled.map(({ path, placed }) => ({ path, placed })),
  ]);
  const carriedKeys = new Set(carried.map(settingKey));
  const lefts = [
    ...shared.filter(isLeft),
    ...forOperator.left,
    ...settings.left,
    ...saidAgain.left,
    ...settled.flatMap((one) => one.left),
    ...reading.models
      .filter((model) => !chosen.includes(model))
      .map(({ setting }) => left(setting, 'another model was asked for')),
  ];
  return {
    format: reading.format,
    deployments: settled.map(({ name, model, path, isSuspended }) => ({ name, model: model.name, path, isSuspended })),
    files:
      problems.length > 0
        ? []
        : [
            { path: SETTINGS_FILE, text: settingsText(settings, source.file) },
            ...settled.map((one) => ({
              path: one.path,
              text: deploymentText(
                { ...one, ...one.assembled, left: one.left.filter((said) => !carriedKeys.has(bySetting(said))) },
                `${placeText(one.model.setting.place)}, ${one.model.setting.key}`,
              ),
            })),
          ],
    carried,
    left: once(lefts, bySetting).filter((one) => !carriedKeys.has(bySetting(one))),
    warnings: once(warnings, byWords),
    problems: once(problems, byWords),
  };
}

const NOTHING: Imported = {
  format: undefined,
  deployments: [],
  files: [],
  carried: [],
  left: [],
  warnings: [],
  problems: [],
};

const bySetting = ({ setting }: Left): string => settingKey(setting);
const isClaim = (finding: Finding): finding is Claim => finding.kind === 'claim';
const isLeft = (finding: Finding): finding is Left => finding.kind === 'left';
const isWarning = (finding: Finding): finding is Warning => finding.kind === 'warning';
const isProblem = (finding: Finding): finding is Problem => finding.kind === 'problem';

// ------------------------------------------------------------------------------------------------ reading
function readSource(source: Source): Reading | { readonly problems: readonly Problem[] } {
  if (isScript(source.text)) return readScriptAlone(source);
  const entries = readEntries(source.file, source.text);
  if (!entries.ok) return { problems: entries.error };
  return isVecInf(entries.value) ? readVecInf(entries.value, source) : readLaunchScripts(entries.value, source);
}

export const isScript = (text: string): boolean => text.startsWith('#!') || /^#SBATCH\s/m.test(text);

/** Job scripts a config file names, as it names them; empty for every other source. */
export function scriptsNamedIn(file: string, text: string): readonly string[] {
  if (isScript(text)) return [];
  const entries = readEntries(file, text);
  const models: readonly Entry[] = entries.ok
    ? (entries.value.find(({ name }) => name === 'models')?.entries ?? [])
    : [];
  return models.flatMap(({ entries: own }) =>
    own.flatMap(({ name, value }) =>
      name === 'job_script' && typeof value === 'string' && value !== '' ? [value] : [],
    ),
  );
}

function readScriptAlone({ file, text, shell, stem }: Source): Reading {
  const place: Place = { file, line: 1 };
  const { findings, servesAt } = readJobScript(file, text, shell);
  const noStart = problem(
    place,
    'starts no vLLM: a line with `vllm serve` or `-m vllm.entrypoints.openai.api_server` is looked for',
  );
  return {
    format: 'job-script',
    shared: [],
    models: [
      {
        setting: { key: 'the script', place },
        name: stem,
        findings: servesAt === undefined ? [noStart, ...findings] : findings,
      },
    ],
  };
}

// ------------------------------------------------------------------------------------------------ choosing
type Chosen = {
  readonly reading: Reading;
  readonly chosen: readonly ModelReading[];
  readonly findings: readonly Finding[];
};

function choose(reading: Reading, { file }: Source, { models, all }: Choice): Chosen {
  const known = reading.models.map(({ name }) => name);
  const strangers = models.filter((name) => !known.includes(name));
  const chosen = models.length > 0 ? reading.models.filter(({ name }) => models.includes(name)) : reading.models;
  const { active } = reading;
  const unsaid = models.length === 0 && !all && active === undefined && chosen.length > 1;
  return {
    reading,
    chosen,
    findings: [
      ...strangers.map((name) => problem({ file, line: 1 }, `has no model "${name}".${didYouMean(name, known)}`)),
      ...(unsaid
        ? [
            warning(
              `nothing says which of the ${chosen.length} models is to run, so all are written with spec.suspend: true; --all has all of them run, --model NAME one`,
              { file, line: 1 },
            ),
          ]
        : []),
      ...(active && (all || models.length > 0)
        ? [left(active.setting, all ? 'every model was asked to run' : 'the models that were asked for run')]
        : []),
      ...(active && !all && models.length === 0 && chosen.length === 1
        ? [left(active.setting, 'it is the only model, and runs')]
        : []),
    ],
  };
}

/** Runs: the only model, the active one, those that were asked for. */
function suspends(model: ModelReading, { models, active }: Reading, choice: Choice): boolean {
  if (choice.all || choice.models.length > 0 || models.length === 1) return false;
  return active === undefined || active.name !== model.name;
}

// ------------------------------------------------------------------------------------------------ one model
type Settled = {
  readonly name: string;
  readonly model: ModelReading;
  readonly path: string;
  readonly isSuspended: boolean;
  readonly assembled: Assembled;
  readonly placed: readonly Placed[];
  readonly agreeing: readonly Agreeing[];
  /** With those of the sections for all that this model overrides. */
  readonly left: readonly Left[];
  readonly warnings: readonly Warning[];
  readonly problems: readonly Problem[];
};

function settle(
  model: ModelReading,
  name: string,
  shared: readonly Finding[],
  reading: Reading,
  choice: Choice,
): Settled {
  const isSuspended = suspends(model, reading, choice);
  const { setting } = reading.active ?? model;
  const suspension: readonly Claim[] = isSuspended
    ? [{ kind: 'claim', setting, field: 'spec.suspend', value: true, authority: 'model' }]
    : [];
  const claims = [...shared, ...model.findings, ...suspension]
    .filter(isClaim)
    .filter(({ field }) => field.startsWith('spec.'));
  const merged = merge(claims);
  const assembled = assemble(merged.winners.filter((claim) => settingOf(claim) === undefined));
  const saidAgain = besideWinners(merged.agreeing, assembled.placed, assembled.left);
  const own = model.findings.filter(isProblem);
  const hasModel = merged.winners.some(({ field }) => field === 'spec.model.uri');
  const at = model.setting.place;
  const problems = hasModel
    ? assembled.problems.map(({ setting: culprit, message }) =>
        problem(culprit?.place ?? at, `${culprit?.key ?? model.setting.key}: ${message}`),
      )
    : own.length > 0
      ? []
      : missingModel(model);
  return {
    name,
    model,
    path: `${DEPLOYMENTS_DIRECTORY}/${name}.yaml`,
    isSuspended,
    assembled,
    placed: [...assembled.placed, ...saidAgain.placed],
    agreeing: merged.agreeing,
    left: once([...model.findings.filter(isLeft), ...merged.left, ...assembled.left, ...saidAgain.left], bySetting),
    warnings: [...model.findings.filter(isWarning), ...merged.warnings, ...spreadWarnings(assembled)],
    problems: [...own, ...problems],
  };
}

/** With what a script has in its place, where it has something. */
function missingModel({ setting, findings }: ModelReading): readonly Problem[] {
  const given = findings.filter(isLeft).filter((one) => MODEL_KEYS.includes(one.setting.key));
  if (given.length > 0) return given.map((one) => problem(one.setting.place, `${one.setting.key}: ${one.why}`));
  return [problem(setting.place, `${setting.key} does not say which model to serve, as ORG/REPO or an absolute path`)];
}

/** Ranks that talk in every layer, over whatever lies between the nodes. */
function spreadWarnings({ spec, placed }: Assembled): readonly Warning[] {
  const { parallelism = {}, resources = {} } = spec as {
    readonly parallelism?: { readonly tensor?: number };
    readonly resources?: { readonly nodes?: number; readonly gpusPerNode?: number };
  };
  const { nodes = 1, gpusPerNode = 1 } = resources;
  const tensor = placed.find(({ path }) => pathText(path) === 'spec.parallelism.tensor');
  if (!tensor || nodes === 1 || gpusPerNode === 0 || (parallelism.tensor ?? 1) <= gpusPerNode) return [];
  return [
    warning(
      `tensor parallelism ${parallelism.tensor} reaches over nodes of ${gpusPerNode} GPUs, which is slow without InfiniBand: without it each node would be a stage of the pipeline`,
      tensor.claim.setting.place,
    ),
  ];
}

/** Fixed ports collide as soon as two of their jobs are given one node. */
function sharedPorts(settled: readonly Settled[]): readonly Warning[] {
  const ports = settled.flatMap(({ model, assembled }) =>
    assembled.placed
      .filter(({ path }) => pathText(path) === 'spec.endpoint.port')
      .map(({ claim }) => ({ model: model.name, port: Number(claim.value), place: claim.setting.place })),
  );
  return [...Map.groupBy(ports, ({ port }) => port)]
    .filter(([, users]) => users.length > 1)
    .map(([port, users]) =>
      warning(
        `port ${port} is that of ${users.map(({ model }) => model).join(' and ')}: on one node only one of them can have it. Without spec.endpoint.port each job takes a free one`,
        ...users.map(({ place }) => place),
      ),
    );
}

/** DNS labels, each once. */
function deploymentNames(models: readonly ModelReading[]): readonly string[] {
  const taken = new Set<string>();
  return models.map(({ name }) => {
    const label = name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 58)
      .replace(/^-+|-+$/g, '');
    const base = DNS_LABEL.test(label) ? label : 'model';
    let free = base;
    for (let i = 2; taken.has(free); i++) free = `${base}-${i}`;
    taken.add(free);
    return free;
  });
}
