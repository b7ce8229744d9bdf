import { parseArgs } from 'node:util';
import { whyNoPrograms } from '../test/live/kube-bed/programs.ts';
import { whyNoBed } from '../test/live/slurm-bed/bed.ts';
import { onOccupiedBed } from './cluster.ts';
import { measureIdle } from './idle.ts';
import { type Convergence, convergenceRound } from './kubernetes/convergence.ts';
import { measureFleet } from './kubernetes/fleet.ts';
import { type KubeMeasured, kubeRowsOf } from './kubernetes/report.ts';
import { measureTransitions } from './kubernetes/transitions.ts';
import { type Measured, type Row, rowsOf, table } from './report.ts';
import { measureRest, type RestMeasured, restRowsOf } from './rest.ts';
import { type SshMeasured, type SshRound, sshRound, sshRowsOf } from './ssh.ts';
import { type Round, submissionRound } from './submission.ts';
import { measureTicks } from './ticks.ts';

/**
 * What the operator costs, next to what it would cost without, on a real SLURM cluster made for it, and with
 * `--kubernetes` on a real API server, too. Exit code 0: measured, whatever the aims; 1: something could not be
 * measured; 2: not here, or wrong options.
 */
const USAGE = `Usage: npm run bench -- [--kubernetes | --ssh | --rest] [--quick] [--json] [--rounds N] [--idle-seconds N]

  --kubernetes      as a controller of an API server, and beside one in Go that does nothing
  --ssh             over ssh to an sshd on loopback, beside the same with the commands here
  --rest            by slurmrestd, and beside SLURM's own commands
  --quick           100 deployments, one round and 15 idle seconds, to see that it runs; its numbers are rough
  --json            everything measured, instead of a table
  --rounds N        how often submissions are timed (3; the median counts)
  --idle-seconds N  how long it is watched with nothing to do (60)`;

const OPTIONS = {
  kubernetes: { type: 'boolean', default: false },
  ssh: { type: 'boolean', default: false },
  rest: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  'idle-seconds': { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const { values } = parseOptions();
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const obstacle = whyNoBed() ?? (values.kubernetes ? whyNoPrograms() : undefined);
if (obstacle !== undefined) stop(`the benchmark needs clusters of its own, and ${obstacle}`);

// The cluster notices the end of this process by itself, whatever it dies of; the operator is ended on `exit`.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const deployments = values.quick ? 100 : 1000;
const rounds = wholeNumber('rounds', values.rounds ?? (values.quick ? '1' : '3'));
const idleSeconds = wholeNumber('idle-seconds', values['idle-seconds'] ?? (values.quick ? '15' : '60'));

if (values.kubernetes) print(await measureKubernetes(), kubeRowsOf);
else if (values.ssh) print(await measureSsh(), sshRowsOf);
else if (values.rest) print(await measureSlurmrestd(), restRowsOf);
else print(await measure(), rowsOf);

function print<T>(measured: T, rows: (measured: T) => readonly Row[]): void {
  process.stdout.write(values.json ? `${JSON.stringify(measured, undefined, 2)}\n` : `${table(rows(measured))}\n`);
}

async function measure(): Promise<Measured> {
  const timed: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`submitting ${deployments} jobs, with the operator and without, round ${round + 1} of ${rounds}`);
    timed.push(await submissionRound(deployments, round));
  }
  const sizes = [10, 100, 1000].filter((size) => size <= deployments);
  say(`counting what is asked of SLURM at ${sizes.join(', ')} deployments`);
  const ticks = await onOccupiedBed((ground) => measureTicks(ground, sizes));
  say(`watching it idle for ${idleSeconds} s`);
  const idle = await onOccupiedBed((ground) => measureIdle(ground, deployments, idleSeconds));
  return { deployments, rounds: timed, ticks, idle };
}

async function measureSsh(): Promise<SshMeasured> {
  const timed: SshRound[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`submitting ${deployments} jobs, over ssh and from here, round ${round + 1} of ${rounds}`);
    timed.push(await sshRound(deployments, round));
  }
  return { deployments, rounds: timed };
}

async function measureSlurmrestd(): Promise<RestMeasured> {
  const queued = deployments * 5;
  say(`submitting ${deployments} jobs by slurmrestd and by sbatch, ${rounds} rounds; listing ${queued}`);
  return measureRest(deployments, rounds, queued);
}

async function measureKubernetes(): Promise<KubeMeasured> {
  say('counting the writes of one deployment');
  const transitions = await measureTransitions();
  const timed: Convergence[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`${deployments} resources, with the operator and without, round ${round + 1} of ${rounds}`);
    timed.push(await convergenceRound(deployments));
  }
  const sizes = [deployments, deployments * 5];
  say(`fleets of ${sizes.join(' and ')}: idle for ${idleSeconds} s, and restarted`);
  return { deployments, transitions, rounds: timed, fleet: await measureFleet(sizes, idleSeconds) };
}

function parseOptions() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: false });
  } catch (error) {
    return stop(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function wholeNumber(option: string, text: string): number {
  return /^[1-9]\d*$/.test(text) ? Number(text) : stop(`--${option} must be a whole number above 0, not ${text}`);
}

function stop(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

function say(what: string): void {
  process.stderr.write(`${what}\n`);
}
