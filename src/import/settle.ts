import { besideWinners, settingKey } from './account.ts';
import { type Assembled, assemble, type Placed, pathText } from './assemble.ts';
import type { Choice } from './choose.ts';
import { suspends } from './choose.ts';
import {
  type Claim,
  type Finding,
  isClaim,
  isLeft,
  isProblem,
  isWarning,
  type Left,
  type Problem,
  problem,
  type Warning,
  warning,
} from './finding.ts';
import { type Agreeing, merge } from './merge.ts';
import { once } from './once.ts';
import { settingOf } from './operator-settings.ts';
import type { ModelReading, Reading } from './reading.ts';
import { MODEL_KEYS } from './serving.ts';

/** Below the output directory. */
export const DEPLOYMENTS_DIRECTORY = 'deployments';

/** One model with all that is said of it decided. */
export type Settled = {
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

export function settle(
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
export function sharedPorts(settled: readonly Settled[]): readonly Warning[] {
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

const bySetting = ({ setting }: Left): string => settingKey(setting);
