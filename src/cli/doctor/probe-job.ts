import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Facts, JobView } from '../../doctor/facts.ts';
import { placementOf } from '../../doctor/wish.ts';
import { assignment, quoteDirective } from '../../launch/quote.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Runner } from '../../slurm/cli/run.ts';
import { readSubmission, sbatchCommand } from '../../slurm/cli/sbatch.ts';
import type { FarLogs } from '../../ssh/far-logs.ts';
import { type Cli, pause } from '../cli.ts';
import { doctorScript } from '../package.ts';
import { type JobOutput, readJobOutput } from './job-output.ts';

/** Not one of the operator's, which begin with `vllm.`; and of no other doctor's. */
const jobName = (word: string): string => `vllm-slurm-doctor-${word}`;
const LOOK_MS = 500;
/** A network file system may show a new file so much later. */
const SHOWN_WITHIN_MS = 20_000;

export type ProbeOptions = {
  readonly runner: Runner;
  readonly logDirectory: string;
  /** From submission to its end, ms. */
  readonly timeoutMs: number;
  /** Where the log directory is over there: that its output is seen there says as much as a file placed for it. */
  readonly logs?: FarLogs | undefined;
};

/** Runs a small job where the first deployment would run, and cleans up behind it, whatever happens. */
export async function probeByJob(
  cli: Cli,
  facts: Pick<Facts, 'wishes' | 'site'>,
  { runner, logDirectory, timeoutMs, logs }: ProbeOptions,
): Promise<Result<JobView, string>> {
  const word = randomBytes(8).toString('hex');
  const ask = path.join(logDirectory, `doctor-${word}.ask`);
  const out = path.join(logDirectory, `doctor-${word}.out`);
  try {
    const trouble = logs ? await logs.makeDirectory(logDirectory) : await placeQuestion(logDirectory, ask, word);
    if (trouble !== undefined) return err(trouble);
    const askedAtMs = cli.clock.now();
    const submitted = readSubmission(
      await runner.run(sbatchCommand({ name: jobName(word), script: scriptOf(facts, { ask, out, word }) })),
    );
    if (!submitted.ok) return err(submitted.error.message);
    const output = await outputOf(cli, runner, { id: submitted.value, out, word, timeoutMs }, readOutput(logs, out));
    if (!output.ok) return output;
    const view = viewOf(output.value, word, askedAtMs, cli.clock.now());
    return ok(logs && output.value ? { ...view, seesLogDirectory: true } : view);
  } catch (error) {
    return err((error as Error).message);
  } finally {
    // Also of a submission without an answer.
    await runner.run({ program: 'scancel', args: ['--me', `--name=${jobName(word)}`] });
    if (logs) await logs.remove(out);
    else await Promise.all([ask, out].map((file) => rm(file, { force: true }).catch(() => undefined)));
  }
}

async function placeQuestion(logDirectory: string, ask: string, word: string): Promise<undefined> {
  await mkdir(logDirectory, { recursive: true });
  await writeFile(ask, `${word}\n`);
}

const MAX_OUTPUT_BYTES = 262_144;

/** Empty as long as there is none. */
function readOutput(logs: FarLogs | undefined, out: string): () => Promise<string> {
  if (!logs) return () => readFile(out, 'utf8').catch(() => '');
  return async () => {
    const bytes = await (await logs.open(out)).read(0, MAX_OUTPUT_BYTES).catch(() => Buffer.alloc(0));
    return Buffer.from(bytes).toString('utf8');
  };
}

type Question = { readonly ask: string; readonly out: string; readonly word: string };

function scriptOf({ wishes, site }: Pick<Facts, 'wishes' | 'site'>, { ask, out, word }: Question): string {
  const [wish] = wishes;
  const { account, qos, partitions } = wish ? placementOf(wish, site) : { ...site.defaults };
  const options = [
    ['job-name', jobName(word)],
    ['output', out.replaceAll('%', '%%')],
    ['export', 'NONE'],
    ['time', '00:05:00'],
    ['nodes', '1'],
    ['ntasks', '1'],
    ...(partitions.length > 0 ? [['partition', partitions.join(',')]] : []),
    ...(account === undefined ? [] : [['account', account]]),
    ...(qos === undefined ? [] : [['qos', qos]]),
  ];
  return [
    '#!/bin/bash',
    ...options.map(([name, value = '']) => `#SBATCH --${name}=${quoteDirective(value)}`),
    '#SBATCH --no-requeue',
    assignment('VSO_ASK', ask),
    assignment('VSO_WORD', word),
    assignment('VSO_DIRECTORIES', unique(wishes.map(({ spec }) => spec.model.cache.path))),
    assignment('VSO_VENVS', unique(wishes.map(({ spec }) => spec.runtime.venv))),
    doctorScript(),
  ].join('\n');
}

const unique = (paths: readonly (string | undefined)[]): readonly string[] => [
  ...new Set(paths.flatMap((one) => one ?? [])),
];

/** Its whole output; undefined when it ended and nothing of it is seen here. */
async function outputOf(
  cli: Cli,
  runner: Runner,
  job: { readonly id: string; readonly out: string; readonly word: string; readonly timeoutMs: number },
  read: () => Promise<string>,
): Promise<Result<JobOutput | undefined, string>> {
  const untilMs = cli.clock.now() + job.timeoutMs;
  let endedMs: number | undefined;
  let state = 'PENDING';
  while (cli.clock.now() < untilMs) {
    const output = readJobOutput(await read(), job.word);
    if (output) return ok(output);
    if (endedMs !== undefined && cli.clock.now() - endedMs > SHOWN_WITHIN_MS) return ok(undefined);
    if (endedMs === undefined) {
      state = (await stateOf(runner, job.id)) ?? state;
      if (state === 'COMPLETED') endedMs = cli.clock.now();
      else if (ENDED_BADLY.test(state)) return err(`job ${job.id} is ${state}`);
    }
    if (!(await pause(cli, LOOK_MS))) return err('interrupted');
  }
  return err(`job ${job.id} is still ${state} after ${Math.round(job.timeoutMs / 1000)} s`);
}

const ENDED_BADLY = /^(FAILED|CANCELLED|TIMEOUT|NODE_FAIL|BOOT_FAIL|OUT_OF_MEMORY|DEADLINE|PREEMPTED)/;

/** With the reason of a job that waits; undefined when SLURM does not say. */
async function stateOf(runner: Runner, id: string): Promise<string | undefined> {
  const { stdout } = await runner.run({
    program: 'squeue',
    args: ['--noheader', '--states=all', `--jobs=${id}`, '--format=%T=%r'],
  });
  const [state = '', reason = ''] = stdout.trim().split('=');
  if (state === '') return undefined;
  return state === 'PENDING' ? `${state} (${reason})` : state;
}

function viewOf(output: JobOutput | undefined, word: string, askedAtMs: number, nowMs: number): JobView {
  if (!output)
    return {
      node: 'a compute node',
      seesLogDirectory: false,
      clockSkewMs: undefined,
      directories: [],
      venvs: [],
      host: {},
    };
  const { word: seen, clockMs, ...rest } = output;
  return { ...rest, seesLogDirectory: seen === word, clockSkewMs: clockMs && skewMs(clockMs, askedAtMs, nowMs) };
}

/** Nothing as long as the time can lie between submission and answer. */
function skewMs(clockMs: number, fromMs: number, toMs: number): number {
  if (clockMs < fromMs - 1000) return clockMs - fromMs;
  return clockMs > toMs ? clockMs - toMs : 0;
}
