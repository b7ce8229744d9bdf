import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import { JOB_NAME_PREFIX } from '../identity.ts';
import type { JobEnding, JobRef } from '../job.ts';
import type { Slurm, SlurmError } from '../slurm.ts';
import { type Command, isPlainWord } from './command-line.ts';
import { failureOf } from './outcome.ts';
import { createRunner, type Runner } from './run.ts';
import { NAMES_A_CALL, parseSacct, sacctCommand } from './sacct.ts';
import { readSubmission, sbatchCommand } from './sbatch.ts';
import { readCancellation, scancelCommand } from './scancel.ts';
import { onlyMissedJobs, parseScontrol, scontrolCommand } from './scontrol.ts';
import { EQUIPPED_COMMAND, parseEquipped, parseSinfo, SINFO_COMMAND, VERSION_COMMAND } from './sinfo.ts';
import { CONFIGURATION_COMMAND, parseConfiguration } from './site.ts';
import { parseSqueue, squeueCommand } from './squeue.ts';
import { readVersion, versionTraits } from './versions.ts';

export type SlurmCliOptions = {
  readonly cluster: string;
  readonly clock: Clock;
  /** Words before every command, such as `['ssh', 'login1']`; a remote shell may read what follows. */
  readonly commandPrefix?: readonly string[];
  /** Where Slurm's programs are. Default: on PATH. */
  readonly binDirectory?: string;
  /**
   * For each command, ms. More than Slurm's own patience, or nothing is learnt from it: MessageTimeout is 10 s, a client
   * that finds no controller tries for 9 s and `scontrol` twice as long, and a limited one sleeps.
   */
  readonly timeoutMs?: number;
  /** For each command's output. The default holds 250,000 jobs. */
  readonly maxOutputBytes?: number;
  /** Searched for what is passed on (`command-line.ts`). Default: that of this process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Runs the commands on another machine; whoever gives it closes it. Default: they run on this one. */
  readonly runner?: Runner;
};

/** The `Slurm` port over Slurm's own programs, 22.05 and later. */
export type SlurmCli = Slurm & {
  /** Of the programs, not of the controller: `24.11.5`; undefined when they do not say. */
  version(): Promise<Result<string | undefined, SlurmError>>;
};

export function createSlurmCli(options: SlurmCliOptions): SlurmCli {
  const { clock } = options;
  const own = createRunner({
    clock,
    commandPrefix: options.commandPrefix ?? [],
    binDirectory: options.binDirectory,
    timeoutMs: options.timeoutMs ?? 30_000,
    maxOutputBytes: options.maxOutputBytes ?? 64 * 1024 * 1024,
    environment: options.environment ?? process.env,
  });
  const runner = options.runner ?? own;
  let knownVersion: string | undefined;

  /** For commands whose output is worth something only when all went well. */
  async function ask<T>(command: Command, read: (output: string) => Result<T, string>): Promise<Result<T, SlurmError>> {
    const ran = await runner.run(command);
    const failure = failureOf(ran);
    if (failure) return err(failure);
    const answer = read(ran.stdout);
    return answer.ok ? answer : err({ kind: 'unknown', message: answer.error });
  }

  async function version(): Promise<Result<string | undefined, SlurmError>> {
    if (knownVersion !== undefined) return ok(knownVersion);
    const answer = await ask(VERSION_COMMAND, (output) => ok(readVersion(output)));
    if (answer.ok) knownVersion = answer.value;
    return answer;
  }

  return {
    cluster: options.cluster,
    version,

    async listJobs() {
      const askedAtMs = clock.now();
      const mark = `@${randomBytes(3).toString('hex')}@`;
      return ask(squeueCommand(mark), (output) => {
        const jobs = parseSqueue(output, mark);
        return jobs.ok ? ok({ jobs: jobs.value, askedAtMs, bytes: Buffer.byteLength(output) }) : jobs;
      });
    },

    async describe(refs) {
      const ours = refs.filter(isOurs);
      if (ours.length === 0) return ok([]);
      const ran = await runner.run(scontrolCommand(ours.map((ref) => ref.id)));
      const failure = onlyMissedJobs(ran) ? undefined : failureOf(ran);
      return failure ? err(failure) : ok(parseScontrol(ran.stdout, ours));
    },

    async history(names, sinceMs) {
      const ours = names.filter(isOurName);
      if (ours.length === 0) return ok([]);
      const known = await version();
      if (!known.ok) return known;
      const { sacctFailedNode } = versionTraits(known.value);
      const endings: JobEnding[] = [];
      for (let at = 0; at < ours.length; at += NAMES_A_CALL) {
        const command = sacctCommand(ours.slice(at, at + NAMES_A_CALL), sinceMs, clock.now(), sacctFailedNode);
        const answer = await ask(command, (output) => parseSacct(output, sinceMs));
        if (!answer.ok) return answer;
        endings.push(...answer.value);
      }
      return ok(endings);
    },

    async submit(submission) {
      if (!isPlainName(submission.name))
        return err({ kind: 'rejected', message: `not a job name: ${submission.name}` });
      return readSubmission(await runner.run(sbatchCommand(submission)));
    },

    async cancel(ref) {
      // What is not named as ours are cannot be ours: there is nothing of ours to end.
      if (!isOurs(ref)) return ok(undefined);
      return readCancellation(await runner.run(scancelCommand(ref)));
    },

    nodes: () => ask(SINFO_COMMAND, (output) => ok(parseSinfo(output))),

    async inventory() {
      const nodes = await ask(EQUIPPED_COMMAND, (output) => ok(parseEquipped(output)));
      if (!nodes.ok) return nodes;
      // Of the controller: the programs here may be older.
      const configuration = await ask(CONFIGURATION_COMMAND, (output) => ok(parseConfiguration(output)));
      if (!configuration.ok) return configuration;
      const { version: its } = configuration.value;
      return ok({ nodes: nodes.value, ...(its !== undefined && { version: its }) });
    },

    close: own.close,
  };
}

/** A comma would make two names of one, on scancel's command line and on sacct's. */
const isPlainName = (name: string): boolean => isPlainWord(name) && !name.includes(',');
const isOurName = (name: string): boolean => name.startsWith(JOB_NAME_PREFIX) && isPlainName(name);
const isOurs = (ref: JobRef): boolean => /^\d+$/.test(ref.id) && isOurName(ref.name);
