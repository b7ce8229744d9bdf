import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../../src/api/resource.ts';
import { serves } from '../../src/slurm/simulated/behaviour.ts';
import { createRandom, type Random } from '../../src/slurm/simulated/random.ts';
import type { SubmittedJob } from '../../src/slurm/simulated/simulated.ts';
import { type Chaos, somethingHappens } from './chaos.ts';
import { leftover, unfulfilled } from './liveness.ts';
import { createScenario, PromiseBroken, type Scenario, type ScenarioOptions } from './scenario.ts';
import { aSpec, createPorts, mostlyServes } from './troubled.ts';
import type { Breach } from './witness.ts';

export type Outcome = {
  readonly seed: number;
  readonly breach: Breach | undefined;
  readonly history: string;
};

const NAMES = ['chat', 'embed', 'rank'];
/** After the last fault everything has come right within this time: grace for vanished jobs, refusals, back-off. */
const HEALED_MS = 2_400_000;

/** One run: a fleet, minutes of faults and of people changing their minds, then peace. The same seed, the same run. */
export async function runSeed(seed: number, options: ScenarioOptions = {}): Promise<Outcome> {
  const random = createRandom(seed);
  const port = createPorts();
  const behave = (_: SubmittedJob, its: Random) => mostlyServes(its, port());
  const scenario = createScenario({
    ...options,
    seed,
    cluster: { behave, firstId: 1, lastId: 40, ...options.cluster },
  });
  try {
    await troubles({ scenario, random, names: NAMES.slice(0, 1 + Math.floor(random() * 3)) });
    await peace(scenario, port);
    return { seed, breach: undefined, history: '' };
  } catch (error) {
    if (!(error instanceof PromiseBroken)) throw error;
    return { seed, breach: error.breach, history: scenario.history() };
  }
}

async function troubles(chaos: Chaos): Promise<void> {
  const { scenario, random, names } = chaos;
  for (const name of names) scenario.apply(name, aSpec(random));
  scenario.start();
  const mishaps = 8 + Math.floor(random() * 16);
  for (let count = 0; count < mishaps; count++) {
    await scenario.advance(Math.floor(random() ** 2 * 60_000));
    if (!scenario.operator().alive() && random() < 0.6) scenario.start();
    somethingHappens(chaos);
  }
}

async function peace(scenario: Scenario, port: () => number): Promise<void> {
  const { control } = scenario.cluster;
  scenario.heal();
  control.setBehaviour(() => serves({ port: port() }));
  control.setRules({ hold: undefined, completingMs: 0 });
  for (const node of scenario.cluster.inspect.nodes()) control.restoreNode(node.name);
  if (!scenario.operator().alive()) scenario.start();
  await settled(scenario);
}

/** Everything becomes as it should be, after the edits a person is asked for, and stays so. */
async function settled(scenario: Scenario): Promise<void> {
  const untilMs = scenario.now() + HEALED_MS;
  let edits = 0;
  for (let calmMs = 0; calmMs < (hasWalltime(scenario) ? STEP_MS : CALM_MS); ) {
    const before = effects(scenario);
    for (const { key } of scenario.truth.resources().filter(isGivenUp)) {
      edits += 1;
      scenario.edit(key.name, { model: { uri: 'hf://org/model' }, engine: { seed: 100 + edits } });
    }
    await scenario.advance(STEP_MS);
    const isMoving = !isDeepStrictEqual(effects(scenario), before);
    const open = unfulfilled(scenario) ?? (isMoving ? restless(before, effects(scenario)) : undefined);
    calmMs = open ? 0 : calmMs + STEP_MS;
    if (open && scenario.now() >= untilMs) throw new PromiseBroken(open, scenario.history());
  }
  const left = leftover(scenario);
  if (left) throw new PromiseBroken(left, scenario.history());
}
const STEP_MS = 20_000;
/** A deployment that is as it should be for so long is left alone. */
const CALM_MS = 120_000;

/** Its jobs come to their end and are replaced in the deepest peace. */
function hasWalltime(scenario: Scenario): boolean {
  return scenario.truth.resources().some(({ spec }) => spec?.slurm.time !== undefined);
}

function effects(scenario: Scenario) {
  return {
    writes: scenario.writes(),
    submits: scenario.asked('submit').length,
    cancels: scenario.asked('cancel').length,
  };
}

const restless = (before: object, after: object): Breach => ({
  promise: 'P9',
  what: `${JSON.stringify(before)} became ${JSON.stringify(after)} and nothing had changed`,
});

/** It says so: `Stalled`, and no wait ends it. */
function isGivenUp({ status, problems }: Resource): boolean {
  return problems.length > 0 || (status.records ?? []).some((record) => !record.retired && record.held !== undefined);
}
